import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { MizanError } from '../../errors.ts'
import type { AccountNumber } from '../../ledger/accounts.ts'
import { type TransferKind, transferKinds } from '../../ledger/posting-rules.ts'
import type { Client } from '../connection.ts'

/** A transfer of settlement between accounts that are no household's. */
export interface Posting {
  readonly kind: TransferKind
  readonly debit: AccountNumber
  readonly credit: AccountNumber
  readonly amountPiasters: number
}

/** Postings that belong together; the reference says what for, and makes them once. */
export interface PostingRequest {
  /** Unique for what is posted, up to 80 characters: `settlement:2026-11-18:1:payable`. */
  readonly reference: string
  /** Who asks, up to 64 characters. */
  readonly requestedBy: string
  readonly postings: Iterable<Posting>
}

/** What became of the postings of a reference. */
export interface PostingsEnd {
  readonly commands: number
  /** Rows of the command journal, in the order of the postings. */
  readonly journalIds: readonly number[]
}

/** Accounts that are no household's are summed over the lanes, so that one lane does for all of them. */
const LANE = 0
/** Postings of a command: its detail has 16 KB. */
const CHUNK = 200
const REFERENCE_MAX = 80
/** Commands that go to the database at once, and characters of their details. */
const SEND = 1_000
const SEND_CHARACTERS = 1_000_000
const POLL_MS = 50

/**
 * Asks the writer to post. Durable when it resolves; the writer carries it out within moments, in commands of up to 200
 * postings, each whole or not at all. The same reference again changes nothing, so that whoever was cut off asks again
 * with the same postings in the same order.
 * @returns how many commands the postings came to
 * @throws MizanError CONFLICT when the reference was used for other postings, BAD_INPUT
 */
export async function requestPostings(client: Client, request: PostingRequest): Promise<number> {
  return requestAllPostings(client, [request])
}

/**
 * The same of many references, each by itself, in a few statements.
 * @returns how many commands all postings came to
 * @throws MizanError as {@link requestPostings}
 */
export async function requestAllPostings(client: Client, requests: readonly PostingRequest[]): Promise<number> {
  const commands = requests.flatMap(commandsOf)
  for (const some of sendable(commands)) await send(client, some)
  return commands.length
}

function commandsOf({ reference, requestedBy, postings }: PostingRequest): NumberedCommand[] {
  if (reference === '' || reference.length > REFERENCE_MAX || reference.includes('#')) {
    throw new MizanError('BAD_INPUT', `a reference has up to ${REFERENCE_MAX} characters and no #`)
  }
  const chunks = [...chunksOf(postings)].map((chunk) => JSON.stringify(chunk.map(wire)))
  // Of all of them, in each command: what is asked for later under the same reference is known to be other by the
  // first.
  const whole = createHash('sha256').update(chunks.join()).digest('hex')
  return chunks.map((chunk, index) => {
    const key = `${reference}#${index + 1}`
    return { key, requestedBy, detail: `{"reference":${JSON.stringify(key)},"whole":"${whole}","postings":${chunk}}` }
  })
}

/**
 * Waits until every command of a reference is ended.
 * @param commands what `requestPostings` returned
 * @param onProgress called now and then with how many are done
 * @throws MizanError CONFLICT when the writer refused one, with what it said; WRITER_SILENT when none was carried out
 * for `stallMs`
 */
export async function awaitPostings(
  client: Client,
  { reference, commands }: { readonly reference: string; readonly commands: number },
  options: { readonly stallMs: number; readonly onProgress?: (done: number) => void; readonly signal?: AbortSignal },
): Promise<PostingsEnd> {
  const keys = Array.from({ length: commands }, (_, index) => `${reference}#${index + 1}`)
  let known = -1
  let movedMs = performance.now()
  for (;;) {
    options.signal?.throwIfAborted()
    const { rows } = await client.query<{ done_id: string | null; outcome: string | null }>(
      `select i.done_id, i.outcome from unnest($1::text[]) with ordinality k(key, ordinal)
       join command_inbox i on i.idempotency_key = k.key where i.done_id is not null order by k.ordinal`,
      [keys],
    )
    const refusal = rows.find(({ outcome }) => outcome?.startsWith('done:') !== true)
    if (refusal !== undefined) {
      throw new MizanError('CONFLICT', `the writer did not post ${reference}: ${refusal.outcome}`)
    }
    if (rows.length !== known) {
      known = rows.length
      movedMs = performance.now()
      options.onProgress?.(known)
    }
    if (known === commands) return { commands, journalIds: rows.map((row) => Number(row.done_id)) }
    if (performance.now() - movedMs > options.stallMs) {
      throw new MizanError('WRITER_SILENT', `nothing of ${reference} was posted for ${options.stallMs} ms`)
    }
    await sleep(POLL_MS)
  }
}

interface NumberedCommand {
  readonly key: string
  readonly requestedBy: string
  readonly detail: string
}

function* sendable(commands: readonly NumberedCommand[]): Generator<NumberedCommand[]> {
  let some: NumberedCommand[] = []
  let characters = 0
  for (const command of commands) {
    if (some.length === SEND || characters + command.detail.length > SEND_CHARACTERS) {
      yield some
      some = []
      characters = 0
    }
    some.push(command)
    characters += command.detail.length
  }
  if (some.length > 0) yield some
}

async function send(client: Client, commands: readonly NumberedCommand[]): Promise<void> {
  const keys = commands.map(({ key }) => key)
  const details = commands.map(({ detail }) => detail)
  await requireSame(client, keys, details)
  await client.query(
    `insert into command_inbox (lane, kind, detail, requested_by, idempotency_key)
     select $1, 'settlement-post', c.detail::jsonb, c.requested_by, c.key
     from unnest($2::text[], $3::text[], $4::text[]) with ordinality c(requested_by, key, detail, ordinal) order by c.ordinal
     on conflict (idempotency_key) do nothing`,
    [LANE, commands.map(({ requestedBy }) => requestedBy), keys, details],
  )
  await requireSame(client, keys, details)
}

async function requireSame(client: Client, keys: readonly string[], details: readonly string[]): Promise<void> {
  const { rows } = await client.query<{ key: string }>(
    `select c.key from unnest($1::text[], $2::text[]) c(key, detail)
     join command_inbox i on i.idempotency_key = c.key
     where i.lane <> $3 or i.kind <> 'settlement-post' or i.detail <> c.detail::jsonb limit 1`,
    [keys, details, LANE],
  )
  const [other] = rows
  if (other !== undefined) throw otherPostings(other.key)
}

function otherPostings(reference: string): MizanError {
  return new MizanError('CONFLICT', `${reference} was posted already with something else`)
}

function* chunksOf(postings: Iterable<Posting>): Generator<Posting[]> {
  let chunk: Posting[] = []
  for (const posting of postings) {
    chunk.push(posting)
    if (chunk.length === CHUNK) {
      yield chunk
      chunk = []
    }
  }
  if (chunk.length > 0) yield chunk
}

function wire({ kind, debit, credit, amountPiasters }: Posting): number[] {
  return [transferKinds[kind], debit, credit, amountPiasters]
}
