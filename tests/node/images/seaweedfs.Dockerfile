# What the chart's seaweedfs needs of the image of that name: the program, and a folder for its volume.
FROM python:3.11-slim-bookworm
COPY --chmod=0755 weed /usr/local/bin/
RUN install -d -m 0755 -o 1000 -g 1000 /data
WORKDIR /data
VOLUME /data
EXPOSE 8333
ENTRYPOINT ["weed"]
