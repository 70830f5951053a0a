# The appliance in a container: the keeper as root with a few capabilities, everything else as the user coati without any.
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv
COPY . /src
RUN python3 -m venv /opt/coati/.venv && /opt/coati/.venv/bin/pip install --no-cache-dir "/src[postgresql]"

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 nftables iproute2 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin coati
COPY --from=build /opt/coati /opt/coati
# PATH: docker compose exec coati coati user add alice
ENV COATI_DATA_DIR=/var/lib/coati PATH=/opt/coati/.venv/bin:$PATH
VOLUME /var/lib/coati
EXPOSE 500/udp 4500/udp 8443/tcp
HEALTHCHECK --start-period=30s CMD ["/opt/coati/.venv/bin/python", "-c", \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:9443/healthz', timeout=5)"]
ENTRYPOINT ["/opt/coati/.venv/bin/coati"]
CMD ["serve"]
