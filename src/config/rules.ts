import path from 'node:path'
import { minutesOfTime } from '../calendar.ts'
import { describeError } from '../errors.ts'
import { databaseServers } from '../store/database-url.ts'
import { checkDelivery } from './clearing-delivery.ts'
import type { RawEnvironment } from './environment.ts'
import type { ConfigFile } from './schema.ts'
import type { Problem } from './validation.ts'

/** A rule that a schema cannot state. `reads` are the settings it needs to be well formed. */
interface Rule {
  readonly reads: readonly string[]
  check(file: ConfigFile, environment: Pick<RawEnvironment, 'masterKey' | 'pkcs11Pin'>): Problem[]
}

const rules: readonly Rule[] = [
  { reads: ['availability', 'database', 'security'], check: checkAvailability },
  { reads: ['database'], check: checkDatabase },
  { reads: ['businessDay'], check: checkCutover },
  { reads: ['businessDay', 'listeners', 'outbound'], check: checkCutoverLinks },
  { reads: ['listeners', 'http'], check: checkPorts },
  { reads: ['outbound'], check: checkOutbound },
  { reads: ['lanes'], check: checkLanes },
  { reads: ['shutdown'], check: checkShutdown },
  { reads: ['lanes', 'outbound', 'accountHost'], check: checkAccountHost },
  { reads: ['environment', 'demo', 'accountHost'], check: checkDemo },
  { reads: ['security'], check: checkSecurity },
  { reads: ['listeners', 'outbound'], check: checkMac },
  { reads: ['environment', 'notifications'], check: checkNotifications },
  { reads: ['forwarding'], check: checkForwarding },
  { reads: ['varDir', 'backup'], check: checkBackup },
  { reads: ['clearing'], check: checkDelivery },
]

/** Applies every rule whose settings have no problem of their own. */
export function crossCheck(
  file: ConfigFile,
  problems: readonly Problem[],
  environment: Pick<RawEnvironment, 'masterKey' | 'pkcs11Pin'>,
): Problem[] {
  const isBad = (setting: string) => problems.some(({ path }) => path === setting || path.startsWith(`${setting}.`))
  return rules.filter((rule) => !rule.reads.some(isBad)).flatMap((rule) => rule.check(file, environment))
}

const HEARTBEATS_MIN = 3

/** Two processes share one database and one master key, so neither may be this process's own. */
function checkAvailability(
  { availability, database, security }: ConfigFile,
  { masterKey }: Pick<RawEnvironment, 'masterKey'>,
): Problem[] {
  const { role, heartbeatMs, takeoverAfterMs } = availability
  const problems: Problem[] = []
  if (takeoverAfterMs < HEARTBEATS_MIN * heartbeatMs) {
    const message = `must be at least ${HEARTBEATS_MIN} times availability.heartbeatMs`
    problems.push({ path: 'availability.takeoverAfterMs', message })
  }
  if (role === 'active') return problems
  if (database.url === undefined) {
    const message = `is missing, and availability.role is ${role}: the embedded database belongs to one process; set DATABASE_URL`
    problems.push({ path: 'database.url', message })
  }
  if (masterKey === undefined && security.masterKeyFile === undefined && security.pkcs11 === undefined) {
    const message = `says nothing of the master key, and availability.role is ${role}: both processes need the same one; set MIZAN_MASTER_KEY, security.masterKeyFile or security.pkcs11`
    problems.push({ path: 'security', message })
  }
  return problems
}

function checkDatabase({ database: { url } }: ConfigFile): Problem[] {
  if (url === undefined) return []
  try {
    databaseServers(url)
    return []
  } catch (error) {
    return [{ path: 'database.url', message: `cannot be used: ${describeError(error)}` }]
  }
}

/**
 * Egypt's clocks go from 00:00 to 01:00 on the last Friday of April and from 24:00 to 23:00 on the last Thursday of
 * October.
 */
function checkCutover(file: ConfigFile): Problem[] {
  const minutes = minutesOfTime(file.businessDay.cutover)
  if (minutes < 23 * 60 && minutes >= 60) return []
  const message =
    'must not lie from 23:00 to 01:00: Cairo changes its clocks there, so one night a year the hour from 23:00 comes twice and another night the hour from 00:00 is missing'
  return [{ path: 'businessDay.cutover', message }]
}

function checkCutoverLinks({ businessDay, listeners, outbound }: ConfigFile): Problem[] {
  const { cutoverOnMessageOf: from, tellCutover } = businessDay
  const opened = outbound.map(({ name }) => name)
  const problems: Problem[] = []
  if (from !== undefined && !Object.keys(listeners).includes(from) && !opened.includes(from)) {
    problems.push({ path: 'businessDay.cutoverOnMessageOf', message: `there is no link called ${from}` })
  }
  tellCutover.forEach((name, index) => {
    if (opened.includes(name)) return
    problems.push({ path: `businessDay.tellCutover.${index}`, message: `there is no outbound link called ${name}` })
  })
  return problems
}

function checkPorts(file: ConfigFile): Problem[] {
  const problems: Problem[] = []
  const taken = new Map<string, string>()
  const listeners = Object.entries(file.listeners).filter(([, listener]) => listener.enabled)
  for (const [name, { host, port }] of [
    ...listeners.map(([name, one]) => [`listeners.${name}`, one] as const),
    ['http', file.http] as const,
  ]) {
    const other = taken.get(`${host}:${port}`)
    if (port !== 0 && other !== undefined)
      problems.push({ path: `${name}.port`, message: `is also the port of ${other}` })
    taken.set(`${host}:${port}`, name)
  }
  return problems
}

function checkMac(file: ConfigFile): Problem[] {
  const links = [
    ...Object.entries(file.listeners).map(([name, one]) => [`listeners.${name}`, one] as const),
    ...file.outbound.map((one, index) => [`outbound.${index}`, one] as const),
  ]
  return links
    .filter(([, one]) => one.mac === 'required' && one.dialect === 'visa-base1')
    .map(([at]) => ({ path: `${at}.mac`, message: 'must be off: messages of visa-base1 carry no MAC' }))
}

function checkOutbound(file: ConfigFile): Problem[] {
  const problems: Problem[] = []
  // Listeners and outbound links share the label `link` of the metrics.
  const names = new Set<string>(['ascii', 'visa', 'bcd'])
  file.outbound.forEach((link, index) => {
    const at = `outbound.${index}`
    if (names.has(link.name)) problems.push({ path: `${at}.name`, message: `another link is called ${link.name}` })
    names.add(link.name)
    if (link.backoff.maxMs < link.backoff.minMs) {
      problems.push({ path: `${at}.backoff.maxMs`, message: 'must not be less than backoff.minMs' })
    }
  })
  return problems
}

function checkLanes(file: ConfigFile): Problem[] {
  if (file.lanes.batchMax <= file.lanes.ringCapacity) return []
  return [{ path: 'lanes.batchMax', message: 'must not exceed lanes.ringCapacity' }]
}

function checkShutdown({ shutdown: { noticeMs, drainMs, forceMs } }: ConfigFile): Problem[] {
  if (noticeMs + drainMs < forceMs) return []
  return [{ path: 'shutdown.forceMs', message: 'must be more than noticeMs and drainMs together' }]
}

/** What a decision and its commit need after the host's answer. */
const HOST_RESERVE_MS = 500

function checkAccountHost({ accountHost, outbound, lanes }: ConfigFile): Problem[] {
  if (accountHost === undefined) return []
  const problems: Problem[] = []
  if (!outbound.some(({ name }) => name === accountHost.link)) {
    problems.push({ path: 'accountHost.link', message: `no outbound link is called ${accountHost.link}` })
  }
  if (accountHost.timeoutMs + HOST_RESERVE_MS > lanes.timeBudgetMs) {
    const message = `must be at least ${HOST_RESERVE_MS} below lanes.timeBudgetMs (${lanes.timeBudgetMs})`
    problems.push({ path: 'accountHost.timeoutMs', message })
  }
  return problems
}

function checkDemo(file: ConfigFile): Problem[] {
  if (file.demo.remoteEvery > 0 && file.accountHost === undefined) {
    return [{ path: 'demo.remoteEvery', message: 'must be 0 without accountHost' }]
  }
  if (file.environment !== 'production' || file.demo.enabled !== true) return []
  return [{ path: 'demo.enabled', message: 'must not be true in production' }]
}

/** With two sources of the master key one would be used in silence, and keys lie under the other. */
function checkSecurity(
  { security: { masterKeyFile, pkcs11 } }: ConfigFile,
  { masterKey, pkcs11Pin }: Pick<RawEnvironment, 'masterKey' | 'pkcs11Pin'>,
): Problem[] {
  if (pkcs11 === undefined) return []
  const problems: Problem[] = []
  const beside = 'must not be set beside security.pkcs11'
  if (masterKeyFile !== undefined) problems.push({ path: 'security.masterKeyFile', message: beside })
  if (masterKey !== undefined) problems.push({ path: 'MIZAN_MASTER_KEY', message: beside })
  if (pkcs11.pinFile === undefined && pkcs11Pin === undefined) {
    problems.push({ path: 'security.pkcs11.pinFile', message: 'is missing, and so is MIZAN_PKCS11_PIN' })
  }
  return problems
}

function checkNotifications({ environment, notifications }: ConfigFile): Problem[] {
  const { adapter, webhook, firstRetryMs, longestRetryMs } = notifications
  const problems: Problem[] = []
  if (adapter === 'webhook' && webhook === undefined) {
    problems.push({ path: 'notifications.webhook', message: 'is missing, and notifications.adapter is webhook' })
  }
  if (environment === 'production' && webhook !== undefined && !webhook.url.startsWith('https:')) {
    problems.push({ path: 'notifications.webhook.url', message: 'must be https in production' })
  }
  if (webhook !== undefined && !URL.canParse(webhook.url)) {
    problems.push({ path: 'notifications.webhook.url', message: 'is not a URL' })
  }
  if (longestRetryMs < firstRetryMs) {
    problems.push({ path: 'notifications.longestRetryMs', message: 'must not be less than notifications.firstRetryMs' })
  }
  return problems
}

function checkForwarding({
  forwarding: { acceptedCodes, reversalAcceptedCodes, retryCodes, backoff },
}: ConfigFile): Problem[] {
  const problems: Problem[] = []
  const both = retryCodes.filter((code) => [...acceptedCodes, ...reversalAcceptedCodes].includes(code))
  if (both.length > 0) {
    problems.push({ path: 'forwarding.retryCodes', message: `holds ${both.join(', ')}, which is an accepted code too` })
  }
  if (backoff.maxMs < backoff.minMs) {
    problems.push({ path: 'forwarding.backoff.maxMs', message: 'must not be less than backoff.minMs' })
  }
  return problems
}

/** What is lost with the data folder must not be the backup too. */
function checkBackup({ varDir, backup }: ConfigFile): Problem[] {
  if (backup === undefined) return []
  const problems: Problem[] = []
  // Both are relative to the same place, if they are relative at all.
  const relative = path.relative(path.resolve(varDir), path.resolve(backup.folder))
  if (relative === '' || !(relative.startsWith('..') || path.isAbsolute(relative))) {
    problems.push({ path: 'backup.folder', message: 'must lie outside the data folder' })
  }
  return problems
}
