# What signer, mint and courier share, so that a box pulls it once. The code comes last: a change of it is a small layer.
ARG PARENT
FROM ${PARENT}
# The three run as one user and meet at the socket in /run/edgedrop; named volumes take over the owner and mode made here.
RUN install -d -o 10001 -g 10001 -m 0700 /run/edgedrop /var/lib/edgedrop /var/lib/edgedrop/tokens /var/lib/edgedrop/journal
COPY site /opt/edgedrop/site
COPY app /opt/edgedrop/app
ENV PYTHONPATH=/opt/edgedrop/site:/opt/edgedrop/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1
USER 10001:10001
