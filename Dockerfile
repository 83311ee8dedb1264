# Four images out of one file: `docker build --target web|worker|trainer|gpu .`
# Each copies only the rooms that it may import, so the walls between them are physical.

FROM node:24-bookworm-slim AS bundles
WORKDIR /src/frontend
COPY frontend/package.json frontend/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY frontend/ ./
RUN npm run build

FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    GHOST_HOME=/var/lib/ghost BIND_HOST=0.0.0.0
RUN useradd --uid 10001 --create-home --home-dir /var/lib/ghost ghost
WORKDIR /srv
COPY constraints.txt ./

FROM base AS database-tier
COPY requirements.txt ./
RUN pip install -c constraints.txt -r requirements.txt
COPY contracts/ contracts/
COPY corpus/ corpus/
COPY lyrics/ lyrics/
COPY models/ models/

FROM database-tier AS web
COPY alembic.ini wsgi.py ./
COPY migrations/ migrations/
COPY app/ app/
COPY dashboards/ dashboards/
COPY ghost/ ghost/
COPY --from=bundles /src/dashboards/assets/dist/ dashboards/assets/dist/
USER 10001
EXPOSE 8000
CMD ["gunicorn", "-c", "app/gunicorn.py", "wsgi:app"]

FROM database-tier AS worker
COPY worker/ worker/
USER 10001
CMD ["python", "-m", "worker.cpu"]

FROM database-tier AS trainer
COPY requirements-inference.txt requirements-training.txt requirements-no-deps.txt ./
RUN pip install -c constraints.txt -r requirements-training.txt \
    && pip install -c constraints.txt --no-deps -r requirements-no-deps.txt
COPY inference/ inference/
COPY training/ training/
COPY worker/ worker/
USER 10001
CMD ["python", "-m", "worker.gpu"]

FROM base AS gpu
COPY requirements-inference.txt ./
RUN pip install -c constraints.txt -r requirements-inference.txt
COPY contracts/ contracts/
COPY ghost/ ghost/
COPY inference/ inference/
COPY lyrics/ lyrics/
USER 10001
EXPOSE 8001
CMD ["python", "-m", "inference"]
