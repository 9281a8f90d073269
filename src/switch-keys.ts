import type { Clock } from './calendar.ts'
import type { OnKeyExchange, ZoneKeyKind } from './link/key-exchange.ts'
import type { KeyRecord } from './security/keys/key-record.ts'
import { KeyRing } from './security/keys/key-ring.ts'
import { planRotation, supersededBy, versionsOf } from './security/keys/rotation.ts'
import { KEY_BLOCK_PROTECTION, type MasterKey } from './security/master-key.ts'
import { ensurePanKeys } from './security/pan-keys.ts'
import { type PanProtection, panProtection } from './security/pan-protection.ts'
import { wipe } from './security/primitives/secrets.ts'
import type { KeyName } from './security/security-module.ts'
import { SoftwareModule } from './security/software-module.ts'
import { type Client, connect } from './store/connection.ts'
import { type KeyChange, type KeySnapshot, readKeys, saveKeys } from './store/key-store.ts'
import { type KeyWatch, watchKeys } from './store/key-watch.ts'
import * as events from './telemetry/key-events.ts'
import type { Logger } from './telemetry/logger.ts'

/** The keys of an installation, open for use. */
export interface OpenKeys {
  readonly module: SoftwareModule
  readonly protection: PanProtection
  readonly ring: KeyRing
  /** Of what is loaded. */
  readonly generation: number
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
  const { url, masterKey, clock } = options
  const now = () => clock.now()
  const protectionKey = masterKey.derive(KEY_BLOCK_PROTECTION, 32)
  const ring = new KeyRing(protectionKey)
  wipe(protectionKey)
  const module = new SoftwareModule(ring, now)
  const client = await connect({ url, name: 'mizan keys', role: 'mizan_app' })
  try {
    const before = await readKeys(client)
    options.check?.(before.keys)
    ring.load(before.keys)
    await options.install?.(client, module)
    const made = await ensurePanKeys(module, before.keys, { nowMs: now(), hasCards: await hasCards(client) })
    await saveKeys(client, made.map(inserted), { user: 'installation' })
    const { keys, generation } = await readKeys(client)
    ring.load(keys)
    return { ring, module, protection: panProtection(ring, now), generation, count: keys.length }
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

/** Keys of a running switch: follows changes in the store, takes zone keys from peers, and confirms those in use. */
export class KeyService {
  readonly #url: string
  readonly #keys: OpenKeys
  readonly #clock: Clock
  readonly #log: Logger
  readonly #watch: KeyWatch
  /** One change at a time: each is planned on what the one before left. */
  #changing: Promise<unknown> = Promise.resolve()

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
  readonly takeZoneKey: OnKeyExchange = (link, kind, block) => this.#inTurn(() => this.#take(link, kind, block))

  async close(): Promise<void> {
    await this.#watch.close()
    await this.#changing.catch(() => undefined)
  }

  async #take(link: string, kind: ZoneKeyKind, block: string): Promise<{ responseCode: string; checkValue: string }> {
    const name = `${kind}:${link}`
    const key = this.#keys.module.importKeyBlock(block, `kek:${link}`, { usage: kind === 'zpk' ? 'P0' : 'M3' })
    const { checkValue } = key
    return this.#withClient(async (client) => {
      const { keys } = await readKeys(client)
      const [newest] = versionsOf(keys, name)
      // The same key again, also after a restart: the answer was lost.
      if (newest?.status === 'active' && newest.checkValue === checkValue) return { responseCode: '00', checkValue }
      const nowMs = this.#clock.now()
      const hasKey = keys.some((record) => record.name === name && record.status === 'active')
      const version = hasKey ? planRotation(keys, name, nowMs, undefined).version : (newest?.version ?? 0) + 1
      const record: KeyRecord = { ...key, name, version, status: 'active', validFromMs: nowMs, validToMs: undefined }
      await saveKeys(client, [inserted(record)], { user: `link ${link}`, detail: 'zone-key exchange' })
      await this.#watch.poll()
      events.zoneKeyReceived(this.#log, { name, version, checkValue })
      return { responseCode: '00', checkValue }
    })
  }

  /** A message proved that the peer uses the newest version: the older ones are no longer accepted. */
  async #confirm(name: KeyName, version: number): Promise<void> {
    try {
      await this.#inTurn(() =>
        this.#withClient(async (client) => {
          const { keys } = await readKeys(client)
          const { retiring } = supersededBy(keys, name, this.#clock.now(), version)
          if (retiring.length === 0) return
          const changes = retiring.map(
            (old): KeyChange => ({ kind: 'status', name, version: old.version, status: 'retired' }),
          )
          await saveKeys(client, changes, { user: 'switch', detail: `version ${version} is in use by its peer` })
          await this.#watch.poll()
          events.keyConfirmed(this.#log, { name, version, retired: retiring.map((old) => old.version) })
        }),
      )
    } catch (error) {
      events.keyStoreFailed(this.#log, error)
    }
  }

  #load({ keys, generation }: KeySnapshot): void {
    this.#keys.ring.load(keys)
    events.keysReloaded(this.#log, { generation, keys: keys.length })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#changing.catch(() => undefined).then(work)
    this.#changing = turn
    return turn
  }

  async #withClient<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const client = await connect({ url: this.#url, name: 'mizan key change', role: 'mizan_app' })
    try {
      return await work(client)
    } finally {
      await client.end().catch(() => undefined)
    }
  }
}
