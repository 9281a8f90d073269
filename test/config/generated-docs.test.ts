import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { loadConfig } from '../../src/config/config.ts'
import { errorCatalogue } from '../../src/errors.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..')
const read = (name: string) => readFileSync(path.join(repository, name), 'utf8')

t.test('generated pages and schemas are current', async (t) => {
  const script = path.join(repository, 'scripts', 'generate-docs.ts')
  const run = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8', env: { PATH: process.env.PATH } })
  t.equal(run.status, 0, run.stderr)
  for (const code of Object.keys(errorCatalogue)) t.match(read('docs/errors.md'), `\`${code}\``)
})

t.test('the schema for editors requires only what has no default', async (t) => {
  const schema = JSON.parse(read('schemas/config.schema.json'))
  t.equal(schema.required, undefined)
  t.same(schema.properties.outbound.items.required, ['name', 'host', 'port', 'dialect'])
  t.equal(schema.properties.listeners.properties.visa.properties.port.default, 8584)
})

t.test('the configurations of deploy/ are valid', async (t) => {
  for (const name of ['container.json', 'compose.json']) {
    const config = loadConfig({ file: path.join(repository, 'deploy', name), env: {} })
    for (const { host } of [...Object.values(config.listeners), config.http]) t.equal(host, '0.0.0.0')
    t.equal(config.demo.enabled, name === 'compose.json')
  }
})

t.test('every metric of the dashboard exists', async (t) => {
  const { registry } = createMetrics()
  const known = new Set<string>()
  for (const { name, type } of await registry.getMetricsAsJSON()) {
    known.add(name)
    if (String(type) === 'histogram') for (const suffix of ['bucket', 'sum', 'count']) known.add(`${name}_${suffix}`)
  }
  const { panels } = JSON.parse(read('deploy/grafana/dashboards/mizan.json')) as {
    panels: { title: string; targets: { expr: string }[] }[]
  }
  const used = new Set<string>()
  for (const { title, targets } of panels) {
    for (const { expr } of targets) {
      const names = expr.match(/\b(?:mizan|nodejs|process)_\w+/g) ?? []
      t.ok(names.length > 0, title)
      for (const name of names) {
        t.ok(known.has(name), `${title}: ${name}`)
        used.add(name.replace(/_(?:bucket|sum|count)$/, ''))
      }
    }
  }
  const unwatched = [...known].filter(
    (name) => name.startsWith('mizan_') && !/_(?:bucket|sum|count)$/.test(name) && !used.has(name),
  )
  t.same(unwatched, [], 'and every metric of ours is on it')
})

t.test('compose, Prometheus and Grafana files parse and fit together', async (t) => {
  // The parser is one that the test runner brings.
  const { parse } = createRequire(createRequire(import.meta.url).resolve('tap'))('yaml')
  const compose = parse(read('docker-compose.yml'))
  t.same(Object.keys(compose.services).sort(), ['grafana', 'postgres', 'prometheus', 'switch'])
  for (const service of Object.values(compose.services) as { volumes?: string[]; ports?: string[] }[]) {
    for (const volume of service.volumes ?? []) {
      const [source = ''] = volume.split(':')
      t.ok(source.startsWith('./') ? existsSync(path.join(repository, source)) : source in compose.volumes, volume)
    }
    for (const port of service.ports ?? []) t.match(port, /^127\.0\.0\.1:/)
  }
  t.same(parse(read('deploy/prometheus.yml')).scrape_configs[0].static_configs[0].targets, ['switch:8080'])
  const datasource = parse(read('deploy/grafana/provisioning/datasources/prometheus.yml')).datasources[0]
  t.match(read('deploy/grafana/dashboards/mizan.json'), `"uid": "${datasource.uid}"`)
  const provider = parse(read('deploy/grafana/provisioning/dashboards/mizan.yml')).providers[0]
  t.ok(compose.services.grafana.volumes.some((volume: string) => volume.includes(provider.options.path)))
})

t.test('the image is for production unless somebody says otherwise, and a stop has its time', async (t) => {
  const { parse } = createRequire(createRequire(import.meta.url).resolve('tap'))('yaml')
  t.match(read('Dockerfile'), /^ENV .*\bMIZAN_ENV=production\b/m)
  const { environment, stop_grace_period } = parse(read('docker-compose.yml')).services.switch
  const { shutdown, ...demo } = loadConfig({
    file: path.join(repository, 'deploy', 'compose.json'),
    env: { MIZAN_ENV: environment.MIZAN_ENV },
  })
  t.equal(demo.environment, 'development')
  t.ok(Number.parseInt(stop_grace_period, 10) * 1_000 > shutdown.forceMs, stop_grace_period)
})

t.test('the health check of the image asks whether the switch lives, where it listens', async (t) => {
  const asked: string[] = []
  let status = 200
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(status).end()
  })
  t.teardown(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const [, script = '', file = ''] = read('Dockerfile').match(/^ {2}CMD \["node", "(.+)", "(.+)"\]$/m) ?? []
  t.match(read('Dockerfile'), `deploy/container.json ${file}\n`)
  const check = async () => {
    const args = [path.join(repository, script), path.join(repository, 'deploy', 'container.json')]
    const env = { PATH: process.env.PATH, MIZAN_ENV: 'production', MIZAN_PORT_HTTP: String(port) }
    const child = spawn(process.execPath, args, { env, stdio: 'ignore' })
    return ((await once(child, 'exit')) as [number])[0]
  }
  t.equal(await check(), 0)
  status = 503
  t.equal(await check(), 1)
  t.same(asked, ['/healthz', '/healthz'])
})

t.test('the image gets what it needs and nothing else', async (t) => {
  const sources = read('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)
  const ignored = read('.dockerignore')
  for (const [, names = ''] of sources) {
    for (const name of names.split(' ')) {
      t.ok(existsSync(path.join(repository, name)), name)
      t.match(ignored, `!${name}\n`)
    }
  }
})
