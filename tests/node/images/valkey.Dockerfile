# What the chart's valkey needs of the image of that name: the program, and a folder for its volume.
FROM python:3.11-slim-bookworm
COPY --chmod=0755 valkey-server /usr/local/bin/
RUN install -d -m 0755 -o 999 -g 999 /data
WORKDIR /data
VOLUME /data
EXPOSE 6379
ENTRYPOINT ["valkey-server"]
