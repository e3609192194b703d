"""Tests of the deployment files; `make compose-e2e` runs docker-compose.yml on a real engine."""
