import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import { businessDate } from '../../src/calendar.ts'
import { type Config, describeConfig, loadConfig } from '../../src/config/config.ts'
import { readEnvironment } from '../../src/config/environment.ts'
import { masterKeySource } from '../../src/config/master-key-source.ts'
import { MizanError } from '../../src/errors.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'mizan-config-'))
t.teardown(() => rmSync(folder, { recursive: true }))
let files = 0

function fileOf(content: unknown): string {
  const file = path.join(folder, `config-${++files}.json`)
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  return file
}

function load(content: unknown, env: Record<string, string> = {}): Config {
  return loadConfig({ file: fileOf(content), env })
}

/** The message of the refusal of a configuration. */
function refusal(content: unknown, env: Record<string, string> = {}): string {
  try {
    load(content, env)
  } catch (error) {
    if (error instanceof MizanError && error.code === 'CONFIG_INVALID') return error.message
    throw error
  }
  throw new Error('the configuration was accepted')
}

t.test('without a file and variables the defaults are those of the interface', async (t) => {
  const config = loadConfig({ env: {} })
  t.match(config, {
    environment: 'development',
    varDir: path.resolve('var'),
    listeners: {
      ascii: {
        host: '127.0.0.1',
        port: 8583,
        dialect: 'iso87-ascii',
        framing: 'len2',
        maxFrameBytes: 4096,
        tpdu: false,
        requireSignOn: false,
        maxConnections: 256,
        maxInFlight: 4096,
        idleTimeoutMs: 0,
        maxOutboundBytes: 1_048_576,
      },
      visa: {
        host: '127.0.0.1',
        port: 8584,
        dialect: 'visa-base1',
        framing: 'visa',
        maxFrameBytes: 2048,
        stationId: '000000',
      },
      bcd: { host: '127.0.0.1', port: 8585, dialect: 'iso87-bcd', framing: 'len2', tpdu: true },
    },
    http: { host: '127.0.0.1', port: 8080 },
    outbound: [],
    lanes: {
      count: 1,
      ringCapacity: 8192,
      queueMs: 500,
      batchMax: 128,
      timeBudgetMs: 3000,
      cacheHouseholds: 400_000,
      recentKeys: 200_000,
    },
    businessDay: { cutover: '22:30', cutoverMinutes: 1350 },
    limits: { withdrawalDailyPiasters: 3_000_000, withdrawalDailyCount: 10, holdDays: 7 },
    demo: { enabled: true, seed: 1, households: 1000 },
    log: { level: 'info', pretty: false },
    database: { embedded: { port: 0, maxWalSizeMb: 4096 } },
  })
  t.equal(config.database.url, undefined)
  t.equal(config.limits.purchaseSinglePiasters, undefined)
})

t.test('the configuration is frozen at every depth', async (t) => {
  const config = load({ outbound: [{ name: 'bank', host: 'bank.example', port: 5000, dialect: 'iso87-ascii' }] })
  const check = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    t.ok(Object.isFrozen(value))
    for (const inner of Object.values(value)) check(inner)
  }
  check(config)
  t.match(config.outbound[0], { framing: 'len2', signOn: true, backoff: { minMs: 500, maxMs: 30_000 } })
})

t.test('variables override the file; empty ones do not count', async (t) => {
  const file = { environment: 'test', listeners: { ascii: { port: 1 } }, http: { port: 2 }, log: { level: 'warn' } }
  const env = {
    MIZAN_PORT_ASCII: '0',
    MIZAN_PORT_VISA: '7',
    MIZAN_PORT_BCD: '8',
    MIZAN_PORT_HTTP: '',
    MIZAN_LOG_LEVEL: 'debug',
    MIZAN_ENV: 'production',
    MIZAN_VAR: 'elsewhere',
    DATABASE_URL: 'postgresql://a@b/c',
  }
  const config = load(file, env)
  t.match(config, {
    environment: 'production',
    listeners: { ascii: { port: 0 }, visa: { port: 7 }, bcd: { port: 8 } },
    http: { port: 2 },
    log: { level: 'debug' },
    varDir: path.resolve('elsewhere'),
    database: { url: 'postgresql://a@b/c' },
  })
  t.equal(load({}, { DATABASE_URL: '' }).database.url, undefined)
})

t.test('names in the file are relative to the file', async (t) => {
  const tls = { keyFile: 'key.pem', certFile: '/etc/cert.pem' }
  const config = load({ varDir: 'data', security: { masterKeyFile: 'master' }, listeners: { ascii: { tls } } })
  t.equal(config.varDir, path.join(folder, 'data'))
  t.equal(config.security.masterKeyFile, path.join(folder, 'master'))
  t.match(config.listeners.ascii.tls, { keyFile: path.join(folder, 'key.pem'), certFile: '/etc/cert.pem' })
})

t.test('all problems are told at once, each with its path', async (t) => {
  const message = refusal(
    {
      enviroment: 'test',
      listeners: { ascii: { prot: 1, port: '8583' }, visa: { port: 99_999 }, isdn: {} },
      outbound: [{ name: 'A B' }],
      log: { level: 'loud' },
      http: 5,
      lanes: { count: 0, batchMax: 1.5 },
      businessDay: { cutover: '23:30' },
      limits: null,
      demo: { enabled: 'yes' },
      database: { url: 'mysql://x:hunter2@y/z' },
    },
    { MIZAN_PORT_ASCI: '1', MIZAN_PORT_BCD: 'x', MIZAN_MASTER_KEY: 'zz' },
  )
  for (const part of [
    'enviroment is not a known setting (did you mean environment?)',
    'listeners.ascii.prot is not a known setting (did you mean listeners.ascii.port?)',
    'listeners.ascii.port must be an integer, not a string',
    'listeners.visa.port must be <= 65535, not 99999',
    'listeners.isdn is not a known setting',
    'outbound.0.name must have the form',
    'outbound.0.host is missing',
    'outbound.0.dialect is missing',
    'log.level must be one of trace, debug',
    'http must be an object, not 5',
    'lanes.count must be >= 1, not 0',
    'lanes.batchMax must be an integer, not 1.5',
    'businessDay.cutover must not lie from 23:00 to 01:00',
    'limits must be an object, not null',
    'demo.enabled must be a boolean, not a string',
    'database.url must have the form',
    'MIZAN_PORT_ASCI is not a known variable (did you mean MIZAN_PORT_ASCII?)',
    'MIZAN_PORT_BCD must be a port number',
    'MIZAN_MASTER_KEY must be 64 hex digits',
  ]) {
    t.ok(message.includes(part), part)
  }
  t.notMatch(message, /hunter2|zz/, 'a value that may be a secret is not quoted')
  t.notMatch(message, '\n', 'one line')
})

t.test('more than a few problems are all told', async (t) => {
  const unknown = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`x${index}y`, 1]))
  const message = refusal(unknown)
  for (const name of Object.keys(unknown)) t.ok(message.includes(`${name} `))
})

t.test('a cutover near midnight is refused with the reason', async (t) => {
  for (const cutover of ['23:00', '23:59', '00:00', '00:59']) t.match(refusal({ businessDay: { cutover } }), /clocks/)
  for (const cutover of ['25:00', '9:00', '22.30', 22])
    t.match(refusal({ businessDay: { cutover } }), /businessDay\.cutover must/)
  for (const [cutover, minutes] of [
    ['22:59', 1379],
    ['01:00', 60],
    ['02:30', 150],
  ] as const) {
    t.equal(load({ businessDay: { cutover } }).businessDay.cutoverMinutes, minutes)
  }
  const { cutoverMinutes } = load({}).businessDay
  t.equal(businessDate(Date.parse('2026-11-21T20:29:59Z'), cutoverMinutes), 20261121)
  t.equal(businessDate(Date.parse('2026-11-21T20:30:00Z'), cutoverMinutes), 20261122)
})

t.test('settings that contradict each other are refused', async (t) => {
  t.match(refusal({ http: { port: 8583 } }), 'http.port is also the port of listeners.ascii')
  t.match(refusal({ listeners: { visa: { mac: 'required' } } }), 'listeners.visa.mac must be off')
  t.ok(load({ http: { port: 8583 }, listeners: { ascii: { enabled: false } } }))
  t.ok(load({ http: { port: 0 }, listeners: { ascii: { port: 0 } } }))
  t.match(refusal({ lanes: { batchMax: 128, ringCapacity: 64 } }), 'lanes.batchMax must not exceed')
  const bank = { name: 'bank', host: 'h', port: 1, dialect: 'd' }
  t.match(refusal({ outbound: [bank, bank] }), 'outbound.1.name another link is called bank')
  t.match(
    refusal({ outbound: [{ ...bank, backoff: { minMs: 100, maxMs: 50 } }] }),
    'outbound.0.backoff.maxMs must not be less',
  )
})

t.test('one place keeps the master key', async (t) => {
  const pkcs11 = { module: 'token.so', tokenLabel: 'mizan', keyLabel: 'master', pinFile: 'pin' }
  const token = load({ security: { pkcs11 } }, { MIZAN_ENV: 'production' })
  const absolute = { ...pkcs11, module: path.join(folder, 'token.so'), pinFile: path.join(folder, 'pin') }
  t.same(token.security, { pkcs11: absolute })
  t.same(masterKeySource(token), { hex: undefined, pkcs11: absolute, file: undefined, generateAt: undefined })
  const { pinFile: _, ...withoutFile } = pkcs11
  const pin = 'a PIN of a token'
  const fromVariable = load({ security: { pkcs11: withoutFile } }, { MIZAN_PKCS11_PIN: pin })
  t.equal(fromVariable.security.pkcs11?.pin, pin)
  t.notMatch(JSON.stringify(describeConfig(fromVariable)), pin)
  t.equal(fromVariable.security.pkcs11?.pin, pin, 'the configuration itself stays as it is')
  t.match(
    refusal({ security: { pkcs11: withoutFile } }),
    /security\.pkcs11\.pinFile is missing, and so is MIZAN_PKCS11_PIN/,
  )
  const key = '0123456789abcdef'.repeat(4)
  t.match(refusal({ security: { pkcs11 } }, { MIZAN_MASTER_KEY: key }), /MIZAN_MASTER_KEY must not be set beside/)
  t.match(refusal({ security: { pkcs11, masterKeyFile: 'key' } }), /security\.masterKeyFile must not be set beside/)
  t.match(refusal({ security: { pkcs11: { ...pkcs11, slot: 1 } } }), 'security.pkcs11.slot is not a known setting')
  t.match(refusal({ security: { pkcs11: { pinFile: 'pin' } } }), 'security.pkcs11.tokenLabel is missing')

  const file = load(
    { varDir: 'data', security: { masterKeyFile: 'key' } },
    { MIZAN_MASTER_KEY: key, MIZAN_PKCS11_PIN: pin },
  )
  t.notOk('pkcs11' in file.security, 'a PIN alone is for nothing')
  t.same(masterKeySource(file), {
    hex: key,
    pkcs11: undefined,
    file: path.join(folder, 'key'),
    generateAt: path.join(folder, 'data', 'keys', 'master.key'),
  })
})

t.test('demo data only without a file, and never in production', async (t) => {
  t.equal(loadConfig({ env: { MIZAN_ENV: 'production' } }).demo.enabled, false)
  t.equal(load({}).demo.enabled, false)
  t.equal(load({ demo: { enabled: true } }).demo.enabled, true)
  t.match(
    refusal({ demo: { enabled: true } }, { MIZAN_ENV: 'production' }),
    'demo.enabled must not be true in production',
  )
})

t.test('a file that is not there, not JSON or not an object is one clear error', async (t) => {
  t.throws(() => loadConfig({ file: path.join(folder, 'none.json'), env: {} }), {
    code: 'CONFIG_INVALID',
    message: /cannot be read/,
  })
  t.match(refusal('{'), /is not JSON/)
  for (const content of [[], null, 'x', 5]) t.match(refusal(JSON.stringify(content)), /must hold a JSON object/)
})

t.test('describeConfig masks the password and the key and changes nothing else', async (t) => {
  const key = '0123456789abcdef'.repeat(4)
  const config = load(
    {},
    { DATABASE_URL: 'postgresql://mizan:s3cret@db:5432/mizan?password=s3cret', MIZAN_MASTER_KEY: key },
  )
  const text = JSON.stringify(describeConfig(config))
  t.notMatch(text, /s3cret/)
  t.notMatch(text, key)
  t.match(text, 'postgresql://mizan:********@db:5432/mizan')
  t.equal(config.security.masterKey, key)
  t.match(config.database.url, 's3cret')
})

t.test('readEnvironment picks ours, raw, and names near misses only', async (t) => {
  const raw = readEnvironment({
    PATH: '/bin',
    MIZAN_VAR: 'x',
    MIZAN_PORT_HTTP: 'abc',
    MIZAN_PROT_VISA: '1',
    MIZAN_SOMETHING_ELSE: '1',
  })
  t.same(raw, { varDir: 'x', portHttp: 'abc', misspelt: [{ name: 'MIZAN_PROT_VISA', meant: 'MIZAN_PORT_VISA' }] })
})
