/**
 * Times the verbs of the security module on one thread, and the same work done with node:crypto, a cipher made for each
 * use. Run: `node bench/crypto.ts [--json]`.
 */
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { assert } from '../src/errors.ts'
import { isPending, type PinKey, type Verdict } from '../src/security/security-module.ts'
import { PSN, SERVICE_CODE } from '../src/simulator/demo-issuer.ts'
import {
  cardValue,
  hmac16,
  messageMac,
  verifyCryptogram18,
  verifyPin0,
  verifyPinDukpt,
  verifyPinDukptAes,
} from './crypto-baseline.ts'
import {
  BIOMETRIC_KEY_ID,
  type CryptoBench,
  type CryptoCase,
  cryptoBench,
  LINK,
  MESSAGE_BYTES,
} from './crypto-cases.ts'
import { table } from './terminal.ts'

/** One row of the result: medians of rounds, in microseconds. */
export interface CryptoResult {
  readonly work: string
  readonly us: number
  readonly perSecond: number
  /** The same by node:crypto, a cipher for each call. */
  readonly nodeUs: number
  readonly ratio: number
  /** Of the best round. */
  readonly bestUs: number
}

export interface CryptoBenchOptions {
  /** time to spend on each figure. @default 1 */
  readonly seconds?: number
  /** prints one JSON array instead of a table. @default false */
  readonly json?: boolean
  /** prints nothing. @default false */
  readonly quiet?: boolean
}

/** One kind of work, both ways; each says whether it found the case right. */
interface Work {
  readonly name: string
  readonly module: (one: CryptoCase) => boolean
  readonly node: (one: CryptoCase) => boolean
}

const ROUND = 512

function matched(verdict: Verdict | Promise<Verdict>): boolean {
  return !isPending(verdict) && verdict === 'matched'
}

const key = (hex: string) => Buffer.from(hex, 'hex')

function reference({ pvki, pvv }: CryptoCase) {
  return { method: 'pvv', name: 'pvk', keyIndex: pvki, pvv } as const
}

/** Of PINs: under a zone key, and under keys of their own. */
function pinWorks({ module, keys }: CryptoBench): { zone: Work; tdes: Work; aes: Work } {
  const [zpk, pvk, bdk, bdkAes] = [key(keys.zpk), key(keys.pvk), key(keys.bdk), key(keys.bdkAes)]
  const check = (one: CryptoCase, by: PinKey, block: Buffer, format: 0 | 4) =>
    matched(module.verifyPin({ key: by, block, format, pan: one.pan, reference: reference(one) }))
  return {
    zone: {
      name: 'verifyPin, zone key, ISO 0, PVV',
      module: (one) => check(one, { kind: 'zone', name: `zpk:${LINK}` }, one.zonePin, 0),
      node: ({ zonePin, pan, pvki, pvv }) => verifyPin0(zpk, pvk, zonePin, pan, pvki, pvv),
    },
    tdes: {
      name: 'verifyPin, TDES DUKPT, ISO 0, PVV',
      module: (one) => check(one, { kind: 'dukpt', name: 'bdk', serial: one.dukptSerial }, one.dukptPin, 0),
      node: ({ dukptSerial, dukptPin, pan, pvki, pvv }) =>
        verifyPinDukpt(bdk, dukptSerial, pvk, dukptPin, pan, pvki, pvv),
    },
    aes: {
      name: 'verifyPin, AES DUKPT, ISO 4, PVV',
      module: (one) => check(one, { kind: 'dukpt', name: 'bdk-aes', serial: one.aesSerial }, one.aesPin, 4),
      node: ({ aesSerial, aesPin, pan, pvki, pvv }) =>
        verifyPinDukptAes(bdkAes, aesSerial, pvk, aesPin, pan, pvki, pvv),
    },
  }
}

/** Of what a card brings. */
function cardWorks({ module, protection, keys, panIndexKey }: CryptoBench): { index: Work; value: Work; chip: Work } {
  const [cvk, imkAc] = [key(keys.cvk), key(keys.imkAc)]
  const updates = [key('00820000'), key('00000000')] as const
  return {
    index: {
      name: 'PAN index',
      module: ({ pan }) => protection.index(pan).length === 16,
      node: ({ pan }) => hmac16(panIndexKey, Buffer.from(pan, 'latin1')).toString('latin1').length === 16,
    },
    value: {
      name: 'verifyCardValue, iCVV',
      module: ({ pan, expiry, icvv }) =>
        matched(
          module.verifyCardValue({ name: 'cvk', kind: 'icvv', pan, expiry, serviceCode: SERVICE_CODE, value: icvv }),
        ),
      node: ({ pan, expiry, icvv }) => cardValue(cvk, pan, expiry, '999') === icvv,
    },
    chip: {
      name: 'verifyCryptogram, CVN 18, both answers',
      module: ({ pan, chip }) => {
        const outcome = module.verifyCryptogram({ name: 'imk-ac', pan, psn: PSN, chip })
        return !isPending(outcome) && outcome.answers !== undefined
      },
      node: ({ pan, chip }) => verifyCryptogram18(imkAc, pan, PSN, chip, updates) !== undefined,
    },
  }
}

/** Of what makes a message its sender's. */
function messageWorks({ module, keys }: CryptoBench): { macIn: Work; macOut: Work; assertion: Work } {
  const [mak, biometric] = [key(keys.mak), key(keys.biometric[BIOMETRIC_KEY_ID] ?? '')]
  return {
    macIn: {
      name: `verifyMac, ${MESSAGE_BYTES} bytes`,
      module: ({ message, mac }) => matched(module.verifyMac(`mak:${LINK}`, message, mac)),
      node: ({ message, mac }) => messageMac(mak, message).equals(mac),
    },
    macOut: {
      name: `generateMac, ${MESSAGE_BYTES} bytes`,
      module: ({ message }) => module.generateMac(`mak:${LINK}`, message).length === 8,
      node: ({ message }) => messageMac(mak, message).length === 8,
    },
    assertion: {
      name: 'verifyAssertion',
      module: ({ signed, assertionMac }) =>
        matched(module.verifyAssertion({ name: `bio:${BIOMETRIC_KEY_ID}`, signed, mac: assertionMac })),
      node: ({ signed, assertionMac }) => hmac16(biometric, Buffer.from(signed)).equals(assertionMac),
    },
  }
}

function works(bench: CryptoBench): Work[] {
  const { zone, tdes, aes } = pinWorks(bench)
  const { index, value, chip } = cardWorks(bench)
  const { macIn, macOut, assertion } = messageWorks(bench)
  return [
    zone,
    value,
    chip,
    macIn,
    macOut,
    tdes,
    aes,
    assertion,
    index,
    together('chip and PIN authorization', [index, value, chip, zone]),
    together('the same on a link with MACs', [index, macIn, value, chip, zone, macOut]),
  ]
}

function together(name: string, parts: readonly Work[]): Work {
  return {
    name,
    module: (one) => parts.every((part) => part.module(one)),
    node: (one) => parts.every((part) => part.node(one)),
  }
}

/** Both ways must come to the same before their times are compared. */
function assertAlike({ module, protection, keys, panIndexKey, cases }: CryptoBench, list: readonly Work[]): void {
  for (const one of cases.slice(0, 32)) {
    for (const { name, module: verb, node } of list) {
      assert(verb(one), `the module finds ${name} right`)
      assert(node(one), `node:crypto finds ${name} right`)
    }
    const outcome = module.verifyCryptogram({ name: 'imk-ac', pan: one.pan, psn: PSN, chip: one.chip })
    assert(!isPending(outcome) && outcome.answers !== undefined, 'software answers at once')
    const { approved, declined } = outcome.answers
    const updates = [Buffer.from(approved.subarray(4)), Buffer.from(declined.subarray(4))] as const
    const answers = verifyCryptogram18(key(keys.imkAc), one.pan, PSN, one.chip, updates)
    assert(answers?.[0].equals(approved) === true && answers[1].equals(declined), 'both make the same answers')
    const mac = messageMac(key(keys.mak), one.message)
    assert(mac.equals(module.generateMac(`mak:${LINK}`, one.message)), 'both make the same MAC')
    const found = hmac16(panIndexKey, Buffer.from(one.pan, 'latin1')).toString('latin1')
    assert(found === protection.index(one.pan), 'both make the same index')
  }
}

/** Microseconds of a case: the median and the best of rounds over all cases. */
function timeRounds(seconds: number, cases: readonly CryptoCase[], work: (one: CryptoCase) => boolean) {
  const end = performance.now() + 1_000 * seconds
  const rounds: number[] = []
  let wrong = 0
  do {
    const beganMs = performance.now()
    for (let at = 0; at < ROUND; at++) if (!work(cases[at % cases.length] as CryptoCase)) wrong += 1
    rounds.push(((performance.now() - beganMs) * 1_000) / ROUND)
  } while (performance.now() < end)
  assert(wrong === 0, 'every case stays right')
  rounds.sort((a, b) => a - b)
  return { median: rounds[rounds.length >> 1] as number, best: rounds[0] as number }
}

/** Times all verbs and prints a row for each. */
export async function benchCrypto(options: CryptoBenchOptions = {}): Promise<CryptoResult[]> {
  const { seconds = 1, json = false, quiet = false } = options
  const bench = cryptoBench()
  const list = works(bench)
  assertAlike(bench, list)
  const results = list.map(({ name, module, node }): CryptoResult => {
    const mine = timeRounds(seconds, bench.cases, module)
    const other = timeRounds(seconds, bench.cases, node)
    return {
      work: name,
      us: round(mine.median),
      perSecond: Math.round(1e6 / mine.median),
      nodeUs: round(other.median),
      ratio: round(other.median / mine.median),
      bestUs: round(mine.best),
    }
  })
  if (!quiet) console.log(json ? JSON.stringify(results) : resultTable(results))
  return results
}

function resultTable(results: readonly CryptoResult[]): string {
  const head = ['one thread, median of rounds', 'us', 'per second', 'best us', 'node:crypto us', 'ratio']
  const rows = results.map(({ work, us, perSecond, nodeUs, ratio, bestUs }) => [
    work,
    us.toFixed(2),
    perSecond.toLocaleString('en'),
    bestUs.toFixed(2),
    nodeUs.toFixed(2),
    ratio.toFixed(1),
  ])
  return table([head, ...rows]).trimEnd()
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({
    options: { json: { type: 'boolean', default: false }, seconds: { type: 'string', default: '1' } },
  })
  await benchCrypto({ json: values.json, seconds: Number(values.seconds) })
}
