# syntax=docker/dockerfile:1
FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The image brings its own Node: the pinned package is for hosts that have an older one.
RUN npm ci --omit=dev && rm -rf node_modules/node node_modules/.bin/node && npm cache clean --force

FROM node:24-slim
# Demo data, demo keys and cookies over plain HTTP are for whoever says so: MIZAN_ENV=development.
ENV NODE_ENV=production MIZAN_ENV=production MIZAN_VAR=/data
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY bin ./bin
COPY schemas ./schemas
COPY src ./src
COPY deploy/container.json /etc/mizan/config.json
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 8583 8584 8585 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "bin/healthcheck.ts", "/etc/mizan/config.json"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "src/cli.ts"]
CMD ["start", "--config", "/etc/mizan/config.json"]
