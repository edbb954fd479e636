# The Python packages of one lock, in a layer below the code: it changes with the lock only.
ARG PARENT
FROM ${PARENT}
COPY site /opt/edgedrop/site
ENV PYTHONPATH=/opt/edgedrop/site:/opt/edgedrop/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1
