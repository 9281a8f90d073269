/**
 * Throws mutated messages at the codec: every shipped dialect must read any bytes without throwing, hanging or reading
 * outside them, and must write what it read with the same bytes. Run: `node scripts/fuzz-codec.ts --messages 1000000`.
 */
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { describeMessage } from '../src/iso8583/describe.ts'
import type { Dialect, FieldSpec, FieldValues } from '../src/iso8583/dialect.ts'
import { dialects } from '../src/iso8583/dialects.ts'
import type { Message } from '../src/iso8583/message.ts'
import { readSubfields } from '../src/iso8583/subfields.ts'
import { parseVisaHeader } from '../src/iso8583/visa-header.ts'

/** What a run found. */
export interface FuzzSummary {
  readonly messages: number
  readonly accepted: number
  /** refusals by kind of failure */
  readonly refused: Readonly<Record<string, number>>
  /** what must never happen: a line each, with the message in hex */
  readonly faults: readonly string[]
  readonly slowestMicroseconds: number
}

export interface FuzzOptions {
  readonly messages: number
  readonly seed: number
}

/** Guard bytes around each message: reading outside shows as a changed value, writing outside as changed guards. */
const GUARD_BYTES = 64
const FAULTS_MAX = 20
const LENGTH_MAX = 4096

/** Runs the fuzzer; the same seed gives the same messages. */
export function fuzzCodec({ messages, seed }: FuzzOptions): FuzzSummary {
  const random = randomNumbers(seed)
  const pool = Object.values(dialects).map((dialect) => ({ dialect, seeds: seedMessages(dialect, random) }))
  const refused: Record<string, number> = {}
  const faults: string[] = []
  let accepted = 0
  let slowest = 0n
  for (let i = 0; i < messages && faults.length < FAULTS_MAX; i++) {
    const { dialect, seeds } = pool[i % pool.length] as (typeof pool)[number]
    const bytes = mutate(seeds[random(seeds.length)] as Buffer, random)
    const started = process.hrtime.bigint()
    const outcome = tryMessage(dialect, bytes, i % 16 === 0)
    const took = process.hrtime.bigint() - started
    if (took > slowest) slowest = took
    if (outcome.fault !== undefined) faults.push(`${dialect.name} ${outcome.fault}: ${bytes.toString('hex')}`)
    if (outcome.kind === undefined) accepted++
    else refused[outcome.kind] = (refused[outcome.kind] ?? 0) + 1
  }
  return { messages, accepted, refused, faults, slowestMicroseconds: Number(slowest / 1000n) }
}

interface Outcome {
  readonly kind: string | undefined
  readonly fault: string | undefined
}

/** Reads one message between guards, and everything of it; `deep` also describes it and divides all its fields. */
function tryMessage(dialect: Dialect, bytes: Buffer, deep: boolean): Outcome {
  try {
    const message = readGuarded(dialect, bytes, 0x00)
    const values = valuesOf(message)
    if (deep) {
      const other = readGuarded(dialect, bytes, 0xff)
      const same = JSON.stringify(valuesOf(other)) === JSON.stringify(values)
      if (!same || other.failure?.message !== message.failure?.message)
        return fault(message, 'read outside the message')
      for (const de of message.fieldNumbers()) readSubfields(message, de)
      describeMessage(message)
      parseVisaHeader(bytes)
    }
    const offset = message.failure?.offset ?? 0
    if (offset < 0 || offset > bytes.length) return fault(message, 'a failure outside the message')
    if (message.failure !== undefined) return { kind: message.failure.kind, fault: undefined }
    const written = dialect.encode(message.mti, values, message.bitmaps)
    if (!sameBytes(dialect, written, bytes)) return fault(message, 'written otherwise than read')
    return { kind: undefined, fault: undefined }
  } catch (error) {
    return { kind: 'thrown', fault: `threw ${error instanceof Error ? error.message : String(error)}` }
  }
}

function fault(message: Message, what: string): Outcome {
  return { kind: message.failure?.kind, fault: what }
}

function readGuarded(dialect: Dialect, bytes: Buffer, guard: number): Message {
  const buffer = Buffer.alloc(bytes.length + 2 * GUARD_BYTES, guard)
  bytes.copy(buffer, GUARD_BYTES)
  return dialect.decode(buffer, GUARD_BYTES, GUARD_BYTES + bytes.length)
}

function valuesOf(message: Message): FieldValues {
  const values: FieldValues = []
  for (const de of message.fieldNumbers()) values[de] = message.text(de)
  return values
}

/** Hex digits on the wire are read in either case and written in upper case; all else must be the same. */
function sameBytes(dialect: Dialect, written: Buffer, read: Buffer): boolean {
  if (written.equals(read)) return true
  if (dialect.spec.bitmap === 'bin8') return false
  return written.toString('latin1').toUpperCase() === read.toString('latin1').toUpperCase()
}

/** A number from 0 up to, not including, the limit. */
export type RandomBelow = (limit: number) => number

/** Marsaglia's xorshift of 32 bits: repeatable, and good enough to shake a parser. */
export function randomNumbers(seed: number): RandomBelow {
  let state = seed | 0 || 1
  return (limit) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}

/** Well-formed messages of a dialect to start from, together holding every field. */
function seedMessages(dialect: Dialect, random: RandomBelow): Buffer[] {
  const entries = Object.entries(dialect.spec.fields)
  const seeds: Buffer[] = []
  for (let i = 0; i < 60; i++) {
    const values: FieldValues = []
    for (const [key, spec] of entries) if (random(4) === 0) values[Number(key)] = sampleValue(spec, random)
    seeds.push(dialect.encode(i % 2 === 0 ? '0100' : '0420', values))
  }
  return seeds
}

function sampleValue(spec: FieldSpec, random: RandomBelow): string {
  const length = spec.kind === 'fixed' ? spec.max : random(Math.min(spec.max, 40) + 1)
  if (spec.content === 'binary' || spec.content === 'hex-ascii') return '5f'.repeat(length)
  const text = '1234567890'.repeat(Math.ceil(length / 10)).slice(0, length)
  if (spec.value === 'signed-numeric' && length > 0) return `C${text.slice(1)}`
  return spec.lengthUnit === 'bytes' && spec.content === 'bcd' ? text.slice(text.length % 2) : text
}

const mutations: ((bytes: Buffer, random: RandomBelow) => Buffer)[] = [
  (bytes) => bytes,
  (bytes, random) => bytes.subarray(0, random(bytes.length + 1)),
  (bytes, random) => Buffer.concat([bytes, Buffer.alloc(random(9), random(256))]),
  (bytes, random) => changed(bytes, random(bytes.length), random(256)),
  (bytes, random) => changed(bytes, random(Math.min(30, bytes.length)), random(256)),
  (bytes, random) => changed(bytes, random(bytes.length), 1 << random(8), true),
  (bytes, random) => {
    const at = random(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + random(8)))])
  },
  (bytes, random) => {
    const at = random(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), Buffer.alloc(random(8), random(256)), bytes.subarray(at)])
  },
  (_bytes, random) => Buffer.from(Array.from({ length: random(64) }, () => random(256))),
]

function changed(bytes: Buffer, at: number, value: number, flip = false): Buffer {
  const copy = Buffer.from(bytes)
  if (at < copy.length) copy[at] = flip ? (copy[at] as number) ^ value : value
  return copy
}

/** One to three mutations in a row. */
export function mutate(bytes: Buffer, random: RandomBelow): Buffer {
  let mutated = bytes
  for (let rounds = random(3); rounds >= 0; rounds--) {
    const mutation = mutations[random(mutations.length)] as (typeof mutations)[number]
    if (mutated.length > 0) mutated = mutation(mutated, random)
  }
  return mutated.subarray(0, LENGTH_MAX)
}

function main(): void {
  const { values } = parseArgs({
    options: { messages: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '1' } },
  })
  const started = process.hrtime.bigint()
  const summary = fuzzCodec({ messages: Number(values.messages), seed: Number(values.seed) })
  const seconds = Number((process.hrtime.bigint() - started) / 1_000_000n) / 1000
  console.log(
    `${summary.messages} messages in ${seconds} s, seed ${values.seed}; slowest ${summary.slowestMicroseconds} us`,
  )
  console.log(`accepted ${summary.accepted}; refused ${JSON.stringify(summary.refused)}`)
  for (const line of summary.faults) console.log(line)
  console.log(`${summary.faults.length} faults`)
  if (summary.faults.length > 0) process.exitCode = 1
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main()
