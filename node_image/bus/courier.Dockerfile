ARG PARENT
FROM ${PARENT}
CMD ["python3", "-m", "node_image.bus.courier"]
