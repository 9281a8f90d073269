import type { Clock } from './calendar.ts'
import { describeError, MizanError } from './errors.ts'
import type { OnKeyExchange, ZoneKeyKind } from './link/key-exchange.ts'
import type { KeyRecord } from './security/keys/key-record.ts'
import { KeyRing } from './security/keys/key-ring.ts'
import { activeVersions, nextVersion, planRotation, supersededBy, versionsOf } from './security/keys/rotation.ts'
import { KEY_BLOCK_PROTECTION, type MasterKey } from './security/master-key.ts'
import { ensurePanKeys } from './security/pan-keys.ts'
import { type PanProtection, panProtection } from './security/pan-protection.ts'
import { wipe } from './security/primitives/secrets.ts'
import type { KeyName } from './security/security-module.ts'
import { SoftwareModule } from './security/software-module.ts'
import { type Client, connect } from './store/connection.ts'
import { confirmAnnouncement } from './store/key-announcement.ts'
import { type KeyChange, type KeySnapshot, readKeys, saveKeys } from './store/key-store.ts'
import { type KeyWatch, watchKeys } from './store/key-watch.ts'
import * as events from './telemetry/key-events.ts'
import { lineLimits } from './telemetry/line-limit.ts'
import type { Logger } from './telemetry/logger.ts'

/** The keys of an installation, open for use. */
export interface OpenKeys {
  readonly module: SoftwareModule
  readonly protection: PanProtection
  readonly ring: KeyRing
  /** Of what is loaded. */
  readonly generation: number
  /** Looks at keys before they are used. */
  readonly check: (records: readonly KeyRecord[]) => void
  /** Versions that are loaded. */
  readonly count: number
}

export interface KeyOptions {
  readonly url: string
  readonly masterKey: MasterKey
  readonly clock: Clock
  /** Looks at the keys before any is used, such as for keys that have no place in production. */
  readonly check?: (records: readonly KeyRecord[]) => void
  /** Adds keys to a new installation: those of the demo world. */
  readonly install?: (client: Client, module: SoftwareModule) => Promise<unknown>
}

/**
 * Opens the keys of a database: reads their blocks, opens them under the master key, and makes the keys of card numbers
 * where there are no cards yet.
 * @throws MizanError CRYPTO_REFUSED naming the key that cannot be opened, such as under another master key
 */
export async function openKeys(options: KeyOptions): Promise<OpenKeys> {
  const { url, masterKey, clock, check = () => undefined } = options
  const now = () => clock.now()
  const protectionKey = masterKey.derive(KEY_BLOCK_PROTECTION, 32)
  const ring = new KeyRing(protectionKey)
  wipe(protectionKey)
  const module = new SoftwareModule(ring, now)
  const client = await connect({ url, name: 'mizan keys', role: 'mizan_app' })
  try {
    const before = await readKeys(client)
    check(before.keys)
    ring.load(before.keys)
    await options.install?.(client, module)
    const made = await ensurePanKeys(module, before.keys, { nowMs: now(), hasCards: await hasCards(client) })
    await saveKeys(client, made.map(inserted), { user: 'installation' })
    const { keys, generation } = await readKeys(client)
    ring.load(keys)
    return { ring, module, protection: panProtection(ring, now), check, generation, count: keys.length }
  } finally {
    await client.end()
  }
}

async function hasCards(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>('select exists (select from card) as found')
  return rows[0]?.found === true
}

function inserted(key: KeyRecord): KeyChange {
  return { kind: 'insert', key }
}

/** How long the older versions are still accepted once a message came under the newest. */
const OVERLAP_MS = 120_000
/** Lines about refused key blocks, for each link. */
const REFUSALS_PER_SECOND = 1
/** How long after a failure the next message under the newest version tries again to end the older ones. */
const RETRY_MS = 10_000

/** What a key that a peer sends must be good for. */
const zoneKeyUses = {
  zpk: { usage: 'P0', operations: ['decrypt'] },
  mak: { usage: 'M3', operations: ['generate', 'verify'] },
} as const

/** Keys of a running switch: follows changes in the store, takes zone keys from peers, and confirms those in use. */
export class KeyService {
  readonly #url: string
  readonly #keys: OpenKeys
  readonly #clock: Clock
  readonly #log: Logger
  readonly #watch: KeyWatch
  /** One change at a time: each is planned on what the one before left. */
  #changing: Promise<unknown> = Promise.resolve()
  /** Versions that are known to be in use by their peers. */
  readonly #confirmed = new Set<string>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #refusals = lineLimits(REFUSALS_PER_SECOND)

  constructor(url: string, keys: OpenKeys, clock: Clock, log: Logger) {
    this.#url = url
    this.#keys = keys
    this.#clock = clock
    this.#log = log
    this.#watch = watchKeys({
      url,
      generation: keys.generation,
      onChange: (snapshot) => this.#load(snapshot),
      onError: (error) => events.keyStoreFailed(log, error),
    })
    keys.module.onNewestUsed = (name, version) => void this.#confirm(name, version)
  }

  /** Takes a zone key that came over a link: under its KEK, beside the versions in use until a message confirms it. */
  readonly takeZoneKey: OnKeyExchange = async (link, kind, block) => {
    try {
      return await this.#take(link, kind, block)
    } catch (error) {
      const fields = { name: `${kind}:${link}`, reason: describeError(error) }
      this.#refusals(link).say((left) => events.zoneKeyRefused(this.#log, { ...fields, ...left }))
      throw error
    }
  }

  /** Takes changes over now, besides the regular times. */
  refresh(): Promise<void> {
    return this.#watch.poll()
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    await this.#watch.close()
    await this.#changing.catch(() => undefined)
  }

  async #take(link: string, kind: ZoneKeyKind, block: string): Promise<{ responseCode: string; checkValue: string }> {
    const name = `${kind}:${link}`
    const { usage, operations } = zoneKeyUses[kind]
    const key = this.#keys.module.importKeyBlock(block, `kek:${link}`, { usage, operations })
    const { checkValue } = key
    return this.#change(async (client, keys) => {
      const [newest] = versionsOf(keys, name)
      // The same key again, also after a restart: the answer was lost.
      if (newest?.status === 'active' && newest.checkValue === checkValue) return { responseCode: '00', checkValue }
      // A block from before, sent again: whoever kept one must not bring an old key back.
      if (versionsOf(keys, name).some((known) => known.checkValue === checkValue)) {
        throw new MizanError('CRYPTO_REFUSED', `${name}: this key was there before`)
      }
      const nowMs = this.#clock.now()
      const hasKey = activeVersions(keys, name, nowMs).length > 0
      const version = hasKey ? planRotation(keys, name, nowMs, undefined).version : nextVersion(keys, name)
      const record: KeyRecord = { ...key, name, version, status: 'active', validFromMs: nowMs, validToMs: undefined }
      await saveKeys(client, [inserted(record)], { user: `link ${link}`, detail: 'zone-key exchange' })
      events.zoneKeyReceived(this.#log, { name, version, checkValue })
      return { responseCode: '00', checkValue }
    })
  }

  /**
   * A message proved that the peer uses the newest version. The older ones stay accepted for as long as messages from
   * before may still be under way, and are retired then.
   */
  async #confirm(name: KeyName, version: number): Promise<void> {
    const which = `${name} ${version}`
    if (this.#confirmed.has(which)) return
    this.#confirmed.add(which)
    try {
      const ending = await this.#endOlder(name, version)
      if (ending.length === 0) return
      events.keyConfirmed(this.#log, { name, version, ending, overlapMs: OVERLAP_MS })
      this.#later(OVERLAP_MS, () => void this.#retire(name, ending))
    } catch (error) {
      events.keyStoreFailed(this.#log, error)
      // A later message asks again; not each, or a database that is away would be asked at the rate of the link.
      this.#later(RETRY_MS, () => this.#confirmed.delete(which))
    }
  }

  #later(delayMs: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      work()
    }, delayMs)
    this.#timers.add(timer)
  }

  /** @returns the versions whose time ends */
  #endOlder(name: KeyName, version: number): Promise<readonly number[]> {
    return this.#change(async (client, keys) => {
      const nowMs = this.#clock.now()
      const endMs = nowMs + OVERLAP_MS
      const { retiring } = supersededBy(keys, name, nowMs, version)
      const ending = retiring.filter(({ validToMs }) => validToMs === undefined || validToMs > endMs)
      const changes = ending.map((old): KeyChange => {
        return { kind: 'validity', name, version: old.version, validFromMs: old.validFromMs, validToMs: endMs }
      })
      await saveKeys(client, changes, { user: 'switch', detail: `version ${version} is in use by its peer` })
      await confirmAnnouncement(client, name, version, nowMs)
      return ending.map((old) => old.version)
    })
  }

  async #retire(name: KeyName, versions: readonly number[]): Promise<void> {
    try {
      await this.#change(async (client, keys) => {
        const old = keys.filter((key) => key.name === name && key.status === 'active' && versions.includes(key.version))
        const changes = old.map((key): KeyChange => ({ kind: 'status', name, version: key.version, status: 'retired' }))
        await saveKeys(client, changes, { user: 'switch', detail: 'a newer version is in use' })
      })
    } catch (error) {
      events.keyStoreFailed(this.#log, error)
    }
  }

  #load({ keys, generation }: KeySnapshot): void {
    this.#keys.check(keys)
    this.#keys.ring.load(keys)
    events.keysReloaded(this.#log, { generation, keys: keys.length })
  }

  /** Plans a change on the keys as they are, makes it, and loads what came of it before anything else happens. */
  #change<T>(work: (client: Client, keys: readonly KeyRecord[]) => Promise<T>): Promise<T> {
    const turn = this.#changing
      .catch(() => undefined)
      .then(async () => {
        const client = await connect({ url: this.#url, name: 'mizan key change', role: 'mizan_app' })
        try {
          const { keys } = await readKeys(client)
          return await work(client, keys)
        } finally {
          await client.end().catch(() => undefined)
          await this.#watch.poll()
        }
      })
    this.#changing = turn
    return turn
  }
}
