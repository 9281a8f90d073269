import { MizanError } from '../../errors.ts'
import type { KeyName } from '../security-module.ts'
import type { KeyRecord } from './key-record.ts'

/**
 * Most versions of a name in use at once. Two are a rotation; a third covers a peer that lost the second. Each more
 * would be one more key to try for every PIN block and MAC.
 */
export const ACCEPTED_VERSIONS_MAX = 3

/** What a rotation does to the versions that are there. */
export interface RotationPlan {
  /** Of the new key. */
  readonly version: number
  /** Versions in use whose time becomes limited; none when they stay until the new one is confirmed. */
  readonly ending: readonly { readonly version: number; readonly validToMs: number }[]
}

/** Versions of a name, the newest first, whatever their status. */
export function versionsOf<R extends KeyRecord>(records: readonly R[], name: KeyName): R[] {
  return records.filter((record) => record.name === name).sort((a, b) => b.version - a.version)
}

/** The version that a new key of a name gets; revoked ones count, so that a number never means two keys. */
export function nextVersion(records: readonly KeyRecord[], name: KeyName): number {
  return (versionsOf(records, name)[0]?.version ?? 0) + 1
}

/**
 * Active versions of a name whose time is not over, the newest first. Those whose time is still to come are among them.
 */
export function activeVersions<R extends KeyRecord>(records: readonly R[], name: KeyName, nowMs: number): R[] {
  return versionsOf(records, name).filter(
    ({ status, validToMs }) => status === 'active' && (validToMs === undefined || validToMs > nowMs),
  )
}

/**
 * Plans a rotation: the new key is used for all that is made from now on, the versions in use are still accepted, until
 * the new one is confirmed or for a given time (overlap of zone keys: ANSI X9.24-1, key replacement).
 * @param overlapMs how long versions in use stay accepted; undefined = until the new one is confirmed
 * @throws MizanError NOT_FOUND when no version is in use; CRYPTO_REFUSED when as many as may be are in use already
 */
export function planRotation(
  records: readonly KeyRecord[],
  name: KeyName,
  nowMs: number,
  overlapMs: number | undefined,
): RotationPlan {
  const active = activeVersions(records, name, nowMs)
  if (active.length === 0) throw new MizanError('NOT_FOUND', `no version of ${name} is in use`)
  if (active.length >= ACCEPTED_VERSIONS_MAX) {
    const versions = active.map(({ version }) => version).join(', ')
    throw new MizanError('CRYPTO_REFUSED', `versions ${versions} of ${name} are in use; confirm or retire one first`)
  }
  const endMs = overlapMs === undefined ? undefined : nowMs + overlapMs
  const ending = active.flatMap(({ version, validToMs }) =>
    endMs !== undefined && (validToMs === undefined || validToMs > endMs) ? [{ version, validToMs: endMs }] : [],
  )
  return { version: nextVersion(records, name), ending }
}

/**
 * Versions that retire when one is confirmed: all older ones in use.
 * @param version the confirmed one; undefined = the newest in use
 * @throws MizanError NOT_FOUND when no version is in use, or not this one; CRYPTO_REFUSED when it is not in use yet,
 *   since retiring the others would leave none
 */
export function supersededBy<R extends KeyRecord>(
  records: readonly R[],
  name: KeyName,
  nowMs: number,
  version?: number,
): { readonly confirmed: R; readonly retiring: readonly R[] } {
  const active = activeVersions(records, name, nowMs)
  const confirmed = version === undefined ? active[0] : active.find((record) => record.version === version)
  if (confirmed === undefined) {
    const which = version === undefined ? 'no version' : `version ${version}`
    throw new MizanError('NOT_FOUND', `${which} of ${name} is${version === undefined ? '' : ' not'} in use`)
  }
  if (confirmed.validFromMs > nowMs) {
    throw new MizanError('CRYPTO_REFUSED', `version ${confirmed.version} of ${name} is not valid yet`)
  }
  const retiring = versionsOf(records, name).filter(
    (record) => record.status === 'active' && record.version < confirmed.version,
  )
  return { confirmed, retiring }
}
