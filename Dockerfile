# The appliance in a container: the keeper as root with NET_ADMIN only, everything else as the user coati.
FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv nftables iproute2 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin coati
COPY . /opt/coati
RUN python3 -m venv /opt/coati/.venv && /opt/coati/.venv/bin/pip install --no-cache-dir "/opt/coati[postgresql]"
ENV COATI_DATA_DIR=/var/lib/coati
VOLUME /var/lib/coati
EXPOSE 500/udp 4500/udp 8443/tcp
ENTRYPOINT ["/opt/coati/.venv/bin/coati"]
CMD ["serve"]
