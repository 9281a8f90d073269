import { readFileSync } from 'node:fs'
import path from 'node:path'
import { minutesOfTime } from '../calendar.ts'
import { describeError, MizanError } from '../errors.ts'
import { maskDatabaseUrl } from '../store/database-url.ts'
import { type CompleteClearing, completeDelivery } from './clearing-delivery.ts'
import { type RawEnvironment, readEnvironment } from './environment.ts'
import type { ListenerConfig, OutboundConfig, TlsConfig } from './link-schema.ts'
import { crossCheck } from './rules.ts'
import type { ConfigFile } from './schema.ts'
import { type Problem, validateFile } from './validation.ts'

/** The whole configuration: validated, complete and frozen. Folder and file names in it are absolute. */
export type Config = DeepReadonly<
  Omit<ConfigFile, '$schema' | 'businessDay' | 'clearing' | 'demo' | 'security' | 'notifications'> & {
    clearing: CompleteClearing & { testFiles: boolean }
    businessDay: ConfigFile['businessDay'] & {
      /** Minutes after Cairo midnight at which the business day ends; for `businessDate` of calendar.ts. */
      cutoverMinutes: number
    }
    demo: { enabled: boolean; seed: number; households: number; remoteEvery: number }
    notifications: ConfigFile['notifications'] & { adapter: 'webhook' | 'file' | 'none' }
    security: {
      masterKeyFile?: string
      /** 64 hex digits, only ever from the environment. Never logged; `describeConfig` masks it. */
      masterKey?: string
      /** `pin` comes only from the environment and is masked too. */
      pkcs11?: { module: string; tokenLabel: string; keyLabel: string; pinFile?: string; pin?: string }
    }
  }
>

export type { ListenerConfig, OutboundConfig, TlsConfig }

/** Read-only all the way down. */
export type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T

/** Where the configuration comes from. */
export interface ConfigSources {
  /** Name of a JSON file; absent = defaults. */
  readonly file?: string
  /** Usually `process.env`. Overrides the file. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** `availability.role`, whatever the file says. */
  readonly role?: 'standby'
}

const MASKED = '********'

/**
 * Reads and checks the configuration.
 * @throws MizanError CONFIG_INVALID whose message lists every problem with its path
 */
export function loadConfig(sources: ConfigSources): Config {
  const baseDir = sources.file === undefined ? process.cwd() : path.dirname(path.resolve(sources.file))
  const environment = readEnvironment(sources.env)
  const problems: Problem[] = environment.misspelt.map(({ name, meant }) => ({
    path: name,
    message: `is not a known variable (did you mean ${meant}?)`,
  }))
  const input = sources.file === undefined ? {} : readFile(sources.file)
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw invalid([{ path: 'the file', message: 'must hold a JSON object' }], sources.file)
  }
  const overridden = override(input as Record<string, unknown>, environment, problems, sources.role)
  const checked = validateFile(overridden)
  problems.push(...checked.problems)
  problems.push(...crossCheck(checked.file, checked.problems, environment))
  if (problems.length > 0) throw invalid(problems, sources.file)
  return deepFreeze(complete(checked.file, environment, baseDir, sources.file !== undefined))
}

/** The configuration as printable JSON values, with the password of the database URL and keys masked. */
export function describeConfig(config: Config): Record<string, unknown> {
  const copy = structuredClone(config) as {
    database: { url?: string }
    security: { masterKey?: string; pkcs11?: { pin?: string } }
  }
  if (copy.database.url !== undefined) copy.database.url = maskDatabaseUrl(copy.database.url)
  if (copy.security.masterKey !== undefined) copy.security.masterKey = MASKED
  if (copy.security.pkcs11?.pin !== undefined) copy.security.pkcs11.pin = MASKED
  return copy as unknown as Record<string, unknown>
}

function readFile(file: string): unknown {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new MizanError('CONFIG_INVALID', `${file} cannot be read: ${describeError(error)}`, { cause: error })
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new MizanError('CONFIG_INVALID', `${file} is not JSON: ${describeError(error)}`, { cause: error })
  }
}

/** Lays the environment over the file. Wrong types in the file stay, for the validation to name. */
function override(
  file: Record<string, unknown>,
  environment: RawEnvironment,
  problems: Problem[],
  role: ConfigSources['role'],
): unknown {
  const result = structuredClone(file)
  const set = (segments: readonly string[], value: unknown) => {
    let node = result
    for (const segment of segments.slice(0, -1)) {
      if (node[segment] === undefined) node[segment] = {}
      const next = node[segment]
      if (typeof next !== 'object' || next === null || Array.isArray(next)) return
      node = next as Record<string, unknown>
    }
    node[segments.at(-1) ?? ''] = value
  }
  const setChecked = (
    name: string,
    text: string | undefined,
    pattern: RegExp,
    form: string,
    apply: (text: string) => void,
  ) => {
    if (text === undefined) return
    if (pattern.test(text)) apply(text)
    else problems.push({ path: name, message: `must be ${form}` })
  }
  const setPort = (name: string, text: string | undefined, segments: string[]) =>
    setChecked(name, text, /^\d{1,5}$/, 'a port number from 0 to 65535', (digits) => set(segments, Number(digits)))
  const environments = /^(development|test|production)$/
  const levels = /^(trace|debug|info|warn|error|fatal|silent)$/
  setChecked('MIZAN_ENV', environment.environment, environments, 'one of development, test, production', (text) =>
    set(['environment'], text),
  )
  setChecked(
    'MIZAN_LOG_LEVEL',
    environment.logLevel,
    levels,
    'one of trace, debug, info, warn, error, fatal, silent',
    (text) => set(['log', 'level'], text),
  )
  setChecked('DATABASE_URL', environment.databaseUrl, /^postgres(ql)?:\/\//, 'a postgresql:// URL', (text) =>
    set(['database', 'url'], text),
  )
  setChecked('MIZAN_MASTER_KEY', environment.masterKey, /^[0-9a-fA-F]{64}$/, '64 hex digits', () => undefined)
  if (environment.varDir !== undefined) set(['varDir'], path.resolve(environment.varDir))
  if (role !== undefined) set(['availability', 'role'], role)
  setPort('MIZAN_PORT_ASCII', environment.portAscii, ['listeners', 'ascii', 'port'])
  setPort('MIZAN_PORT_VISA', environment.portVisa, ['listeners', 'visa', 'port'])
  setPort('MIZAN_PORT_BCD', environment.portBcd, ['listeners', 'bcd', 'port'])
  setPort('MIZAN_PORT_HTTP', environment.portHttp, ['http', 'port'])
  return result
}

function complete(file: ConfigFile, environment: RawEnvironment, baseDir: string, hasFile: boolean): Config {
  const { $schema: _, ...settings } = file
  const absolute = (name: string) => path.resolve(baseDir, name)
  const withTls = <T extends { tls?: TlsConfig }>(link: T): T =>
    link.tls === undefined ? link : { ...link, tls: absoluteTls(link.tls, absolute) }
  const { masterKeyFile, pkcs11 } = file.security
  return {
    ...settings,
    varDir: absolute(file.varDir),
    listeners: {
      ascii: withTls(file.listeners.ascii),
      visa: withTls(file.listeners.visa),
      bcd: withTls(file.listeners.bcd),
    },
    outbound: file.outbound.map(withTls),
    businessDay: { ...file.businessDay, cutoverMinutes: minutesOfTime(file.businessDay.cutover) },
    clearing: completeClearing(file, absolute),
    demo: { ...file.demo, enabled: file.demo.enabled ?? (!hasFile && file.environment !== 'production') },
    notifications: completeNotifications(file, absolute),
    ...(file.backup === undefined ? {} : { backup: { ...file.backup, folder: absolute(file.backup.folder) } }),
    security: {
      ...(masterKeyFile === undefined ? {} : { masterKeyFile: absolute(masterKeyFile) }),
      ...(environment.masterKey === undefined ? {} : { masterKey: environment.masterKey }),
      ...(pkcs11 === undefined ? {} : { pkcs11: completePkcs11(pkcs11, environment, absolute) }),
    },
  }
}

/** Files of a test say so, everywhere but in production. */
function completeClearing(
  { clearing, varDir, environment }: ConfigFile,
  absolute: (name: string) => string,
): Config['clearing'] {
  const folder = path.resolve(absolute(varDir), clearing.folder)
  const complete = completeDelivery({ ...clearing, folder }, environment === 'production', absolute)
  return { ...complete, testFiles: clearing.testFiles ?? environment !== 'production' }
}

function completeNotifications(
  { notifications, varDir, environment }: ConfigFile,
  absolute: (name: string) => string,
): ConfigFile['notifications'] & { adapter: 'webhook' | 'file' | 'none' } {
  const { webhook, folder } = notifications
  const files =
    webhook === undefined
      ? {}
      : {
          webhook: {
            ...webhook,
            secretFile: absolute(webhook.secretFile),
            ...(webhook.caFile === undefined ? {} : { caFile: absolute(webhook.caFile) }),
          },
        }
  const otherwise = environment === 'production' ? 'none' : 'file'
  const adapter = notifications.adapter ?? (webhook === undefined ? otherwise : 'webhook')
  return { ...notifications, ...files, adapter, folder: path.resolve(absolute(varDir), folder) }
}

function completePkcs11(
  { pinFile, ...settings }: NonNullable<ConfigFile['security']['pkcs11']>,
  { pkcs11Pin: pin }: RawEnvironment,
  absolute: (name: string) => string,
) {
  return {
    ...settings,
    module: absolute(settings.module),
    ...(pinFile === undefined ? {} : { pinFile: absolute(pinFile) }),
    ...(pin === undefined ? {} : { pin }),
  }
}

function absoluteTls(tls: TlsConfig, absolute: (name: string) => string): TlsConfig {
  const files = { keyFile: absolute(tls.keyFile), certFile: absolute(tls.certFile) }
  return { ...tls, ...files, ...(tls.caFile === undefined ? {} : { caFile: absolute(tls.caFile) }) }
}

function invalid(problems: Problem[], file: string | undefined): MizanError {
  const where = file === undefined ? '' : `${file}: `
  return new MizanError('CONFIG_INVALID', where + problems.map((one) => `${one.path} ${one.message}`).join('; '))
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}
