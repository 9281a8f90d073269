import { type CatalogueProblem, catalogueRules } from '../benefit/catalogue-rules.ts'
import { problemsInWords, readProgramme } from '../benefit/programme-check.ts'
import type { ProgrammeFile } from '../benefit/programme-schema.ts'
import { type CivilDate, formatDate } from '../calendar.ts'
import { describeError, MizanError } from '../errors.ts'
import type { Problem } from '../schema-problems.ts'
import { closeRequests } from './change-request.ts'
import { type Client, isOutcomeUnknown, refusalOf } from './connection.ts'
import type { AuditHook } from './outlet-record.ts'
import { findProgramme, listProgrammes, programmeFiles } from './programme-reader.ts'
import { checksumOf, type ProgrammeState, type ProgrammeVersion, type StoredProgramme } from './programme-record.ts'
import { inTransaction } from './transaction.ts'

/** In whose name a version goes a step. */
export interface ProgrammeAuthor {
  /** Up to 64 characters. */
  readonly actor: string
  /** Called in the transaction of the change. */
  readonly audit?: AuditHook
}

/** A version of a programme. */
export interface ProgrammeReference {
  readonly code: string
  readonly version: number
}

/** A version as somebody saw it. */
export interface SeenProgramme extends ProgrammeReference {
  /** SHA-256 of its content then; absent where the content is read in the same step. */
  readonly checksum?: string
}

type Query = Pick<Client, 'query'>

const ACTOR_MAX = 64
const NOTE_MAX = 500

// The steps of a version; each is taken in a transaction of the caller: see `programmeTransaction`.

/**
 * Keeps a version as a draft: a new one, or the draft of the same number written anew.
 * @param content of a programme file
 * @returns the draft, and what still keeps it from being published with what is published now
 * @throws MizanError PROGRAMME_INVALID naming every fault of the file itself; CONFLICT when the number is not the next
 */
export async function saveDraft(
  client: Client,
  content: unknown,
  by: ProgrammeAuthor & { readonly note?: string },
): Promise<{ readonly draft: ProgrammeVersion; readonly warnings: readonly Problem[] }> {
  const file = readProgramme(content)
  await lockProgrammes(client)
  await requireNext(client, file)
  await client.query(
    `insert into programme_version (code, version, number, effective_from, effective_to, content, checksum, state, note,
       created_by) values ($1, $2, $3, $4, $5, $6, $7, 'draft', $8, $9)
     on conflict (code, version) do update set number = excluded.number, effective_from = excluded.effective_from,
       effective_to = excluded.effective_to, content = excluded.content, checksum = excluded.checksum, state = 'draft',
       note = excluded.note, created_by = excluded.created_by, created_at = now(), submitted_by = null,
       submitted_at = null, withdrawn_by = null, withdrawn_at = null`,
    rowOf(file, by.note ?? '', by.actor),
  )
  await audited(client, by, 'programme-drafted', file, { checksum: checksumOf(file) })
  const others = await programmeFiles(client, ['published', 'submitted'])
  const warnings = problemsOf([...others, file], [file])
  return { draft: await versionRow(client, file), warnings }
}

function rowOf(file: ProgrammeFile, note: string, actor: string): unknown[] {
  const { code, version, number, effectiveFrom, effectiveTo } = file
  const texts = [note.slice(0, NOTE_MAX), actor.slice(0, ACTOR_MAX)]
  return [code, version, number, effectiveFrom, effectiveTo ?? null, JSON.stringify(file), checksumOf(file), ...texts]
}

/** A version rises by one; one that was never published may be written anew, while no other is open. */
async function requireNext(client: Query, { code, version }: ProgrammeReference): Promise<void> {
  const versions = await listProgrammes(client, { code })
  const open = versions.find(({ state }) => state === 'draft' || state === 'submitted')
  if (open !== undefined && open.version !== version) {
    throw new MizanError(
      'CONFLICT',
      `version ${open.version} of ${code} is ${open.state}: withdraw or publish it first`,
    )
  }
  const same = versions.find((one) => one.version === version)
  if (same?.state === 'submitted') {
    throw new MizanError('CONFLICT', `version ${version} of ${code} is submitted: withdraw it to write it anew`)
  }
  if (same?.published !== undefined) {
    throw new MizanError('CONFLICT', `version ${version} of ${code} was published and never changes`)
  }
  const last = versions.at(-1)?.version ?? 0
  if (same === undefined && version !== last + 1) {
    throw new MizanError('CONFLICT', `the next version of ${code} is ${last + 1}, not ${version}`)
  }
}

/**
 * Says that a draft is ready for the second person.
 * @throws MizanError NOT_FOUND, CONFLICT; PROGRAMME_INVALID when it does not go with what is published and submitted
 */
export async function submitProgramme(
  client: Client,
  reference: ProgrammeReference,
  by: ProgrammeAuthor,
): Promise<ProgrammeVersion> {
  await lockProgrammes(client)
  const found = await requireState(client, reference, ['draft'], 'be submitted')
  const { file } = found
  const submitted = [...(await programmeFiles(client, ['published', 'submitted'])), file]
  // Two versions that need each other come one after the other: then the draft of the second counts too.
  if (problemsOf([...submitted, ...(await draftsBeside(client, reference))], [file]).length > 0) {
    requireSound(submitted, [file])
  }
  await client.query(
    `update programme_version set state = 'submitted', submitted_by = $3, submitted_at = now()
     where code = $1 and version = $2`,
    [reference.code, reference.version, by.actor.slice(0, ACTOR_MAX)],
  )
  await audited(client, by, 'programme-submitted', reference, { checksum: found.checksum })
  return versionRow(client, reference)
}

async function draftsBeside(client: Query, { code }: ProgrammeReference): Promise<ProgrammeFile[]> {
  return (await programmeFiles(client, ['draft'])).filter((file) => file.code !== code)
}

/**
 * Lets submitted versions decide from their dates on: the second person's step. Versions that need each other, such as two
 * that exclude each other, are published together.
 * @param references with the checksum of what was agreed to: another content under the same number is not published
 * @param by `today` is the civil date: what was decided stays, so a version begins today or later
 * @throws MizanError NOT_FOUND, CONFLICT; FORBIDDEN for who made or submitted one; PROGRAMME_INVALID when they do not
 * go with what is published
 */
export async function publishProgrammes(
  client: Client,
  references: readonly SeenProgramme[],
  by: ProgrammeAuthor & { readonly today: CivilDate },
): Promise<ProgrammeVersion[]> {
  await lockProgrammes(client)
  const actor = by.actor.slice(0, ACTOR_MAX)
  const found: StoredProgramme[] = []
  for (const reference of references) {
    const one = await requireState(client, reference, ['submitted'], 'be published')
    requireSeen(one, reference)
    if ([one.created.by, one.submitted?.by].includes(actor)) {
      throw new MizanError('FORBIDDEN', `${actor} made or submitted ${nameOf(one)}: another person publishes it`)
    }
    if (one.effectiveFrom < formatDate(by.today)) {
      const why = `${nameOf(one)} begins ${one.effectiveFrom}, and what was decided since stays`
      throw new MizanError('CONFLICT', `${why}: submit it with a date from ${formatDate(by.today)} on`)
    }
    found.push(one)
  }
  const files = found.map(({ file }) => file)
  requireSound([...(await programmeFiles(client)), ...files], files)
  for (const { code, version, checksum } of found) {
    await client.query(
      `update programme_version set state = 'published', published_by = $3, published_at = now()
       where code = $1 and version = $2`,
      [code, version, actor],
    )
    await audited(client, by, 'programme-published', { code, version }, { checksum })
  }
  return Promise.all(references.map((reference) => versionRow(client, reference)))
}

function requireSeen(found: ProgrammeVersion, { checksum }: SeenProgramme): void {
  if (checksum === undefined || checksum === found.checksum) return
  throw new MizanError('CONFLICT', `${nameOf(found)} was written anew since it was asked for: ask again`)
}

/**
 * Takes a version back that has not decided anything: one that is not published, or begins after today. Requests to
 * publish it that wait for a second person end with it.
 * @throws MizanError NOT_FOUND, CONFLICT; PROGRAMME_INVALID when the others do not go without it
 */
export async function withdrawProgramme(
  client: Client,
  reference: SeenProgramme,
  by: ProgrammeAuthor & { readonly today: CivilDate; readonly reason: string },
): Promise<ProgrammeVersion> {
  const { code, version } = reference
  // Before the lock, as an approval has them one after the other too.
  const why = `version ${version} of ${code} was withdrawn`
  await closeRequests(client, 'programme-publish', { versions: [{ code, version }] }, why)
  await lockProgrammes(client)
  const found = await requireState(client, reference, ['draft', 'submitted', 'published'], 'be withdrawn')
  requireSeen(found, reference)
  if (found.state === 'published') {
    if (found.effectiveFrom <= formatDate(by.today)) {
      const why = `${nameOf(found)} decides since ${found.effectiveFrom}`
      throw new MizanError('CONFLICT', `${why}: publish a version that ends or changes it`)
    }
    const rest = (await programmeFiles(client)).filter((file) => nameOf(file) !== nameOf(found))
    requireSound(rest, rest)
  }
  await client.query(
    `update programme_version set state = 'withdrawn', withdrawn_by = $3, withdrawn_at = now(), note = $4
     where code = $1 and version = $2`,
    [reference.code, reference.version, by.actor.slice(0, ACTOR_MAX), by.reason.slice(0, NOTE_MAX)],
  )
  await audited(client, by, 'programme-withdrawn', reference, { reason: by.reason.slice(0, NOTE_MAX) })
  return versionRow(client, reference)
}

/** Publishes the programmes that come with the program, in a database that has none; several may do so at once. */
export async function installProgrammes(client: Client, files: readonly ProgrammeFile[]): Promise<void> {
  const rows = files.map((file) => ({ ...file, content: file, checksum: checksumOf(file) }))
  await client.query(
    `insert into programme_version (code, version, number, effective_from, effective_to, content, checksum, state, note,
       created_by, submitted_by, submitted_at, published_by, published_at)
     select code, version, number, "effectiveFrom", "effectiveTo", content, checksum, 'published', 'comes with Mizan',
            'mizan', 'mizan', now(), 'installation', now()
     from jsonb_to_recordset($1) r(code text, version integer, number smallint, "effectiveFrom" date,
       "effectiveTo" date, content jsonb, checksum text)
     where not exists (select from programme_version)
     on conflict (code, version) do nothing`,
    [JSON.stringify(rows)],
  )
}

/**
 * Does steps of versions in one transaction.
 * @throws MizanError CONFLICT when the database refuses a row, STORE_UNAVAILABLE
 */
export async function programmeTransaction<T>(client: Client, work: () => Promise<T>): Promise<T> {
  try {
    return await inTransaction(client, work)
  } catch (cause) {
    if (cause instanceof MizanError) throw cause
    const refusal = isOutcomeUnknown(cause) ? undefined : refusalOf(cause)
    if (refusal === undefined) throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
    throw new MizanError('CONFLICT', `the database refuses it: ${describeError(cause)}`, { cause })
  }
}

/** Until the transaction ends nobody else takes a step: each is checked against what the one before left. */
async function lockProgrammes(client: Query): Promise<void> {
  await client.query(`select pg_advisory_xact_lock(hashtext('mizan programmes'))`)
}

function nameOf({ code, version }: ProgrammeReference): string {
  return `${code} version ${version}`
}

async function requireState(
  client: Query,
  reference: ProgrammeReference,
  states: readonly ProgrammeState[],
  what: string,
): Promise<StoredProgramme> {
  const found = await findProgramme(client, reference.code, reference.version)
  if (!states.includes(found.state)) {
    throw new MizanError('CONFLICT', `${nameOf(reference)} is ${found.state} and cannot ${what}`)
  }
  return found
}

async function versionRow(client: Query, { code, version }: ProgrammeReference): Promise<ProgrammeVersion> {
  const found = (await listProgrammes(client, { code })).find((one) => one.version === version)
  if (found === undefined) throw new MizanError('NOT_FOUND', `there is no ${nameOf({ code, version })}`)
  return found
}

function requireSound(files: readonly ProgrammeFile[], own: readonly ProgrammeFile[]): void {
  const problems = problemsOf(files, own)
  if (problems.length > 0) throw new MizanError('PROGRAMME_INVALID', problemsInWords(problems))
}

/** What is wrong among versions; the paths of versions other than one's own one name the version. */
function problemsOf(files: readonly ProgrammeFile[], own: readonly ProgrammeFile[]): Problem[] {
  const isOwn = (problem: CatalogueProblem) =>
    own.length === 1 && own[0] !== undefined && nameOf(own[0]) === nameOf(problem)
  return catalogueRules(files).map((problem) => ({
    path: isOwn(problem) ? problem.path : `${nameOf(problem)}: ${problem.path}`,
    message: problem.message,
  }))
}

async function audited(
  client: Client,
  by: ProgrammeAuthor,
  action: string,
  reference: ProgrammeReference,
  detail: Readonly<Record<string, unknown>>,
): Promise<void> {
  await by.audit?.(client, { action, target: `${reference.code}@${reference.version}`, detail })
}
