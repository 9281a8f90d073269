import fc from 'fast-check'
import t from 'tap'
import type { KeyBlockHeader } from '../../src/security/key-blocks/header.ts'
import { assertCombination } from '../../src/security/key-blocks/usage.ts'
import { fitsAlgorithm } from '../../src/security/key-blocks/wrap.ts'
import { familyOf, keyFamilies, lengthOf, nameFormOf } from '../../src/security/keys/key-families.ts'
import { canBecome, type KeyRecord, type KeyStatus, keyStatuses } from '../../src/security/keys/key-record.ts'
import {
  ACCEPTED_VERSIONS_MAX,
  activeVersions,
  nextVersion,
  planRotation,
  supersededBy,
  versionsOf,
} from '../../src/security/keys/rotation.ts'

const NOW = 1_000_000

function record(version: number, status: KeyStatus, times: { fromMs?: number; toMs?: number } = {}): KeyRecord {
  return {
    name: 'zpk:visa',
    version,
    status,
    usage: 'P0',
    algorithm: 'T',
    modeOfUse: 'B',
    exportability: 'E',
    checkValue: '000000',
    block: '',
    validFromMs: times.fromMs ?? 0,
    validToMs: times.toMs,
  }
}

t.test('names say what a key is for', async (t) => {
  const names: [string, string, string][] = [
    ['zpk:visa', 'P0', 'B'],
    ['mak:ascii', 'M3', 'C'],
    ['kek:bcd', 'K0', 'B'],
    ['bdk', 'B0', 'X'],
    ['bdk:pos-2', 'B0', 'X'],
    ['bdk-aes', 'B0', 'X'],
    ['pvk', 'V2', 'C'],
    ['cvk', 'C0', 'C'],
    ['imk-ac', 'E0', 'X'],
    ['imk-smi', 'E2', 'X'],
    ['imk-smc', 'E1', 'X'],
    ['bio:0000000A', 'M7', 'C'],
    ['pan-index', 'M7', 'C'],
    ['pan-encryption', 'D0', 'B'],
    ['pan-transport:personaliser', 'D0', 'B'],
  ]
  for (const [name, usage, modeOfUse] of names) t.match(familyOf(name), { usage, modeOfUse }, name)
  const refused = ['zpk', 'zpk:', 'zpk:Visa', 'zpk:visa:2', 'pvk:visa', 'bio:a', 'bio:0000000a', 'tmk:atm', '', ':visa']
  for (const name of refused) t.throws(() => familyOf(name), { code: 'BAD_INPUT' }, name)
  t.throws(() => familyOf('tmk:atm'), { message: /there are kek:<link>, / })
  t.throws(() => familyOf('pvk:visa'), { message: /are named pvk$/ })
})

t.test('every kind of key may have its usage, algorithms and mode', async (t) => {
  for (const family of keyFamilies) {
    for (const [algorithm, lengths] of family.lengths) {
      const header: KeyBlockHeader = {
        version: 'D',
        usage: family.usage,
        algorithm,
        modeOfUse: family.modeOfUse,
        keyVersion: '00',
        exportability: family.exportability,
        keyContext: '0',
        optionalBlocks: [],
      }
      t.doesNotThrow(() => assertCombination(header), `${nameFormOf(family)} ${algorithm}`)
      for (const bytes of lengths) t.ok(fitsAlgorithm(algorithm, bytes, false), `${family.family} of ${bytes}`)
    }
  }
})

t.test('algorithm and length', async (t) => {
  t.same(lengthOf(familyOf('zpk:visa')), { algorithm: 'T', bytes: 16 })
  t.same(lengthOf(familyOf('zpk:visa'), 'A', 32), { algorithm: 'A', bytes: 32 })
  t.same(lengthOf(familyOf('kek:visa')), { algorithm: 'A', bytes: 32 })
  t.same(lengthOf(familyOf('kek:visa'), 'T'), { algorithm: 'T', bytes: 16 })
  t.throws(() => lengthOf(familyOf('pvk'), 'A'), { code: 'BAD_INPUT', message: /triple DES of 16 bytes/ })
  t.throws(() => lengthOf(familyOf('pvk'), undefined, 8), { code: 'BAD_INPUT' }, 'single DES')
  t.throws(() => lengthOf(familyOf('bio:00000001'), 'H', 16), { code: 'BAD_INPUT' })
})

t.test('a life ends in revoked and never goes back', async () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...keyStatuses), { maxLength: 12 }), (wishes) => {
      let status: KeyStatus = 'pending'
      for (const wish of wishes) {
        if (!canBecome(status, wish)) continue
        if (keyStatuses.indexOf(wish) <= keyStatuses.indexOf(status)) return false
        status = wish
      }
      return canBecome(status, 'revoked') === (status !== 'revoked')
    }),
  )
})

t.test('versions', async (t) => {
  const records = [
    record(1, 'revoked'),
    record(3, 'active'),
    record(2, 'retired'),
    { ...record(9, 'active'), name: 'x' },
  ]
  t.same(
    versionsOf(records, 'zpk:visa').map(({ version }) => version),
    [3, 2, 1],
  )
  t.equal(nextVersion(records, 'zpk:visa'), 4)
  t.equal(nextVersion([record(5, 'revoked')], 'zpk:visa'), 6, 'a number never means two keys')
  t.equal(nextVersion(records, 'cvk'), 1)
  const timed = [record(1, 'active', { toMs: NOW }), record(2, 'active', { toMs: NOW + 1 }), record(3, 'active')]
  t.same(
    activeVersions(timed, 'zpk:visa', NOW).map(({ version }) => version),
    [3, 2],
  )
})

t.test('a rotation keeps what is in use', async (t) => {
  t.same(planRotation([record(1, 'active')], 'zpk:visa', NOW, undefined), { version: 2, ending: [] })
  t.same(planRotation([record(1, 'active')], 'zpk:visa', NOW, 500), {
    version: 2,
    ending: [{ version: 1, validToMs: NOW + 500 }],
  })
  const soonOver = [record(1, 'active', { toMs: NOW + 100 }), record(2, 'active', { toMs: NOW + 9_000 })]
  t.same(
    planRotation(soonOver, 'zpk:visa', NOW, 500).ending,
    [{ version: 2, validToMs: NOW + 500 }],
    'an end is never put off',
  )
  t.throws(() => planRotation([record(1, 'pending')], 'zpk:visa', NOW, undefined), { code: 'NOT_FOUND' })
  t.throws(() => planRotation([], 'zpk:visa', NOW, undefined), { code: 'NOT_FOUND' })
  const many = Array.from({ length: ACCEPTED_VERSIONS_MAX }, (_, index) => record(index + 1, 'active'))
  t.throws(() => planRotation(many, 'zpk:visa', NOW, undefined), {
    code: 'CRYPTO_REFUSED',
    message: /versions 3, 2, 1 of zpk:visa are in use/,
  })
  t.equal(planRotation(many.slice(1), 'zpk:visa', NOW, undefined).version, ACCEPTED_VERSIONS_MAX + 1)
})

t.test('what is confirmed supersedes what is older', async (t) => {
  const records = [record(1, 'active', { toMs: 5 }), record(2, 'active'), record(3, 'active'), record(4, 'pending')]
  const versions = (version?: number) => {
    const { confirmed, retiring } = supersededBy(records, 'zpk:visa', NOW, version)
    return [confirmed.version, retiring.map((one) => one.version)]
  }
  t.same(versions(), [3, [2, 1]], 'those whose time is over, too')
  t.same(versions(2), [2, [1]])
  t.throws(() => versions(1), { code: 'NOT_FOUND', message: /version 1 of zpk:visa is not in use/ })
  t.throws(() => versions(4), { code: 'NOT_FOUND' }, 'a pending key is not confirmed')
  t.throws(() => supersededBy([record(1, 'retired')], 'zpk:visa', NOW), { message: /no version of zpk:visa is in use/ })
  const later = [record(1, 'active'), record(2, 'active', { fromMs: NOW + 1 })]
  t.throws(() => supersededBy(later, 'zpk:visa', NOW), { code: 'CRYPTO_REFUSED' }, 'none would be left')
})
