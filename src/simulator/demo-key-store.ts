import { MizanError } from '../errors.ts'
import { checkValueOf } from '../security/keys/check-value.ts'
import { familyOf } from '../security/keys/key-families.ts'
import type { KeyRecord } from '../security/keys/key-record.ts'
import { wipe } from '../security/primitives/secrets.ts'
import type { KeyAttributes, KeyName, ProtectedKey } from '../security/security-module.ts'
import type { Client } from '../store/connection.ts'
import { readKeys, saveKeys } from '../store/key-store.ts'
import { type DemoKeys, demoKeys } from './demo-keys.ts'

/** Links whose counterparties the simulators play. */
export const demoLinks: readonly string[] = ['ascii', 'visa', 'bcd']
/** Seed of the demo world unless another is configured: its keys are the ones that everybody has. */
const PUBLIC_SEED = 1

/** What of the security module puts a clear key under the master key; `SoftwareModule` has it. */
export interface KeyProtector {
  protect(attributes: KeyAttributes, key: Uint8Array): ProtectedKey
}

/** Options of {@link installDemoKeys}. */
export interface DemoKeyOptions {
  readonly seed: number
  readonly environment: 'development' | 'test' | 'production'
  /** @default {@link demoLinks} */
  readonly links?: readonly string[]
}

/** Clear keys of the demo world by the names that the switch asks for: the same zone keys for each link. */
export function demoKeysByName(keys: DemoKeys, links: readonly string[] = demoLinks): Map<KeyName, string> {
  const named = new Map<KeyName, string>()
  for (const link of links) {
    named.set(`kek:${link}`, keys.kek)
    named.set(`zpk:${link}`, keys.zpk)
    named.set(`mak:${link}`, keys.mak)
  }
  named.set('bdk', keys.bdk)
  named.set('bdk-aes', keys.bdkAes)
  named.set('pvk', keys.pvk)
  named.set('cvk', keys.cvk)
  named.set('imk-ac', keys.imkAc)
  named.set('imk-smi', keys.imkSmi)
  named.set('imk-smc', keys.imkSmc)
  named.set('one-time-code', keys.oneTimeCode)
  for (const [keyId, key] of Object.entries(keys.biometric)) named.set(`bio:${keyId}`, key)
  return named
}

/**
 * Puts the clear test keys of the demo world into the key store, active and without end. A name that has a key already,
 * whatever its status, is left alone.
 * @param client as mizan_app
 * @param protector with the key ring whose blocks the store holds
 * @returns how many keys were added
 * @throws MizanError DEMO_REFUSED in production
 */
export async function installDemoKeys(
  client: Client,
  protector: KeyProtector,
  { seed, environment, links = demoLinks }: DemoKeyOptions,
): Promise<number> {
  if (environment === 'production') throw new MizanError('DEMO_REFUSED', 'no demo keys are made')
  const { keys } = await readKeys(client)
  const taken = new Set(keys.map(({ name }) => name))
  const missing = [...demoKeysByName(demoKeys(seed), links)].filter(([name]) => !taken.has(name))
  if (missing.length === 0) return 0
  await saveKeys(
    client,
    missing.map(([name, hex]) => ({ kind: 'insert', key: demoRecord(protector, name, hex) })),
    { user: 'mizan demo world', detail: `test keys of seed ${seed}` },
  )
  return missing.length
}

function demoRecord(protector: KeyProtector, name: KeyName, hex: string): KeyRecord {
  const { usage, modeOfUse, exportability } = familyOf(name)
  const clear = Buffer.from(hex, 'hex')
  try {
    const attributes = { usage, algorithm: algorithmOf(name), modeOfUse, exportability }
    // Since ever: a simulation may play in any year.
    const life = { version: 1, status: 'active', validFromMs: 0, validToMs: undefined } as const
    return { ...protector.protect(attributes, clear), ...life, name }
  } finally {
    wipe(clear)
  }
}

/** Demo keys are of the algorithm that their family comes in first. */
function algorithmOf(name: KeyName): 'T' | 'A' | 'H' {
  return familyOf(name).lengths[0]?.[0] ?? 'T'
}

/**
 * Refuses keys that everybody knows: those of demo worlds, told by algorithm and check value, under whatever name. In
 * one of some ten thousand stores another key has such a check value; it is then to be made anew.
 * @param records what is about to be used; revoked ones do not count
 * @param seeds of the demo worlds that are known, besides the default one
 * @throws MizanError DEMO_REFUSED naming the keys
 */
export function assertNoDemoKeys(
  records: readonly Pick<KeyRecord, 'name' | 'version' | 'status' | 'algorithm' | 'checkValue'>[],
  seeds: readonly number[] = [],
): void {
  const known = new Set([PUBLIC_SEED, ...seeds].flatMap(markersOf))
  const found = records.filter(
    ({ status, algorithm, checkValue }) => status !== 'revoked' && known.has(`${algorithm} ${checkValue}`),
  )
  if (found.length === 0) return
  const names = found.map(({ name, version }) => `${name} version ${version}`).join(', ')
  throw new MizanError('DEMO_REFUSED', `demo keys are in the key store: ${names}; revoke them and make new ones`)
}

function markersOf(seed: number): string[] {
  return [...demoKeysByName(demoKeys(seed), ['any'])].map(([name, hex]) => {
    const algorithm = algorithmOf(name)
    return `${algorithm} ${checkValueOf(algorithm, Buffer.from(hex, 'hex'))}`
  })
}
