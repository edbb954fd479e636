# What signer, mint and courier share, so that a box pulls it once.
ARG PARENT
FROM ${PARENT}
# The three run as one user and meet at the socket in /run/edgedrop; named volumes take over the owner and mode made here.
RUN install -d -o 10001 -g 10001 -m 0700 /run/edgedrop /var/lib/edgedrop \
        /var/lib/edgedrop/tokens /var/lib/edgedrop/journal /var/lib/edgedrop/witness
COPY app /opt/edgedrop/app
USER 10001:10001
