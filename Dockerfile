# A small image that only paints: no torch, no compiler, not as root.
#
#   docker build -t impasto .
#   docker run --rm --network none --user "$(id -u):$(id -g)" -v "$PWD:/pictures" impasto \
#       stylize photo.jpg --style great_wave -o wave.jpg
FROM python:3.13-slim AS build
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.13-slim
COPY --from=build /wheels /wheels
RUN wheel=$(echo /wheels/impasto-*.whl) \
    && pip install --no-cache-dir "$wheel[openvino,formats]" \
    && rm -r /wheels \
    && useradd --create-home --uid 1000 painter
# Engines cache compiled networks; a container that runs as another user cannot write to painter's home.
ENV IMPASTO_CACHE=/tmp/impasto
USER painter
WORKDIR /pictures
ENTRYPOINT ["impasto"]
CMD ["--help"]
