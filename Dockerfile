# The workers' image. Built where there is a container engine; it was not built on the machines this was written on.
FROM python:3.11-slim-bookworm
WORKDIR /app
COPY requirements.lock pyproject.toml README.md ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY workers workers
COPY schemas schemas
COPY triton_models triton_models
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e . && useradd --uid 10001 --create-home streamscout
USER 10001
ENV STREAMSCOUT_DATA_DIR=/data
ENTRYPOINT ["streamscout"]
