import { Type } from 'typebox'
import { checkProgramme } from '../../benefit/programme-check.ts'
import { diffProgrammes } from '../../benefit/programme-diff.ts'
import { civilDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import { addChangeRequest } from '../../store/change-request.ts'
import { findProgramme, listProgrammes, programmeFiles } from '../../store/programme-reader.ts'
import { type ProgrammeStep, type ProgrammeVersion, programmeStates } from '../../store/programme-record.ts'
import { saveDraft, submitProgramme, withdrawProgramme } from '../../store/programme-store.ts'
import { changeView } from '../changes.ts'
import { changeOnce } from '../once.ts'
import { ok, type Route, route } from '../route.ts'
import { instant, orNull, shape, words } from '../shapes.ts'
import { changeShape } from './change-requests.ts'

const tag = 'programmes'
/** Code of a programme, in a path or a query. */
export const programmeCode = Type.String({ pattern: '^[a-z][a-z0-9-]{1,31}$', description: 'Code of the programme.' })
/** Number of a version of a programme, the same. */
export const programmeVersion = Type.Integer({ minimum: 1, maximum: 100_000, description: 'Number of the version.' })
const params = shape({ code: programmeCode })
const versionParams = shape({ code: programmeCode, version: programmeVersion })

const stepShape = orNull(shape({ by: Type.String(), at: instant('When') }))
const versionProperties = {
  code: Type.String(),
  version: Type.Integer(),
  number: Type.Integer(),
  kind: Type.String(),
  name: shape({ en: Type.String(), ar: Type.String() }),
  effectiveFrom: Type.String(),
  effectiveTo: orNull(Type.String()),
  state: Type.Enum([...programmeStates]),
  note: Type.String(),
  checksum: Type.String({ description: 'SHA-256 of the content.' }),
  created: stepShape,
  submitted: stepShape,
  published: stepShape,
  withdrawn: stepShape,
}
const content = Type.Record(Type.String(), Type.Unknown(), { description: 'A programme file; see docs/programmes.md.' })
const problems = Type.Array(shape({ path: Type.String(), message: Type.String() }))

const stepView = (step: ProgrammeStep | undefined) =>
  step === undefined ? null : { by: step.by, at: step.at.toISOString() }

function versionView(found: ProgrammeVersion) {
  return {
    ...found,
    effectiveTo: found.effectiveTo ?? null,
    created: stepView(found.created),
    submitted: stepView(found.submitted),
    published: stepView(found.published),
    withdrawn: stepView(found.withdrawn),
  }
}

/** Programmes as data: written by one person, published by another. */
export const programmeRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/programmes',
    tag,
    summary: 'list the versions of programmes',
    query: shape({ code: Type.Optional(programmeCode), state: Type.Optional(Type.Enum([...programmeStates])) }),
    answers: { 200: shape({ items: Type.Array(shape(versionProperties)) }) },
    handler: async ({ services, query }) => {
      const state = programmeStates.find((one) => one === query.state)
      const filter = {
        ...(query.code === undefined ? {} : { code: query.code }),
        ...(state === undefined ? {} : { state }),
      }
      return ok({ items: (await listProgrammes(services.database.queryable, filter)).map(versionView) })
    },
  }),
  route({
    method: 'GET',
    path: '/programmes/{code}',
    tag,
    summary: 'show a version with its content: the one asked for, or the latest that was published',
    params,
    query: shape({ version: Type.Optional(programmeVersion) }),
    answers: { 200: shape({ ...versionProperties, content }) },
    handler: async ({ services, params: asked, query }) => {
      const { file, ...found } = await findProgramme(services.database.queryable, asked.code, query.version)
      return ok({ ...versionView(found), content: file })
    },
  }),
  route({
    method: 'GET',
    path: '/programmes/{code}/diff',
    tag,
    summary: 'say what one version states otherwise than another',
    params,
    query: shape({ from: programmeVersion, to: programmeVersion }),
    answers: {
      200: shape({
        items: Type.Array(shape({ path: Type.String(), before: Type.Unknown(), after: Type.Unknown() })),
      }),
    },
    handler: async ({ services, params: asked, query }) => {
      const { queryable } = services.database
      const before = await findProgramme(queryable, asked.code, query.from)
      const after = await findProgramme(queryable, asked.code, query.to)
      const found = diffProgrammes(before.file, after.file)
      return ok({ items: found.map((one) => ({ ...one, before: one.before ?? null, after: one.after ?? null })) })
    },
  }),
  route({
    method: 'POST',
    path: '/programmes/validate',
    tag,
    summary: 'say all that is wrong with a programme file, alone and with what is published; nothing is kept',
    body: shape({ content }),
    answers: { 200: shape({ valid: Type.Boolean(), problems }) },
    handler: async ({ services, body }) => {
      const { code: own } = body.content
      const published = await programmeFiles(services.database.queryable)
      const found = checkProgramme(
        body.content,
        published.filter((file) => file.code !== own || isBefore(file, body.content)),
      )
      return ok({ valid: found.problems.length === 0, problems: found.problems })
    },
  }),
  route({
    method: 'POST',
    path: '/programmes/{code}/draft',
    tag,
    summary: 'keep a version as a draft: a new one, or the draft of the same number written anew',
    params,
    body: shape({ content, note: Type.Optional(words('What is new in it.')) }),
    answers: { 200: shape({ ...versionProperties, warnings: problems }) },
    changes: true,
    handler: (call) =>
      changeOnce(call, async (client) => {
        const { content: given, note } = call.body
        if (given.code !== call.params.code) throw new MizanError('BAD_INPUT', 'the content is of another programme')
        const by = { actor: call.actor.id, ...(note === undefined ? {} : { note }) }
        const { draft, warnings } = await saveDraft(client, given, by)
        const { code: drafted, version: number, checksum } = draft
        return {
          answer: ok({ ...versionView(draft), warnings }),
          detail: { programme: drafted, version: number, checksum },
        }
      }),
  }),
  route({
    method: 'POST',
    path: '/programmes/{code}/versions/{version}/submit',
    tag,
    summary: 'ask for a draft to be published; a second person has to agree',
    params: versionParams,
    body: shape({ reason: words('Why.') }),
    answers: { 202: changeShape },
    changes: true,
    handler: (call) =>
      changeOnce(call, async (client) => {
        const { actor, params: asked, body } = call
        const submitted = await submitProgramme(client, asked, { actor: actor.id })
        const request = await addChangeRequest(client, {
          kind: 'programme-publish',
          payload: { versions: [{ ...asked, checksum: submitted.checksum }] },
          householdId: undefined,
          reason: body.reason,
          maker: actor.id,
          makerPerson: actor.person,
        })
        return {
          answer: {
            status: 202,
            body: changeView(request),
            headers: { location: `/api/v1/change-requests/${request.id}` },
          },
          outcome: 'accepted',
          detail: { programme: asked.code, version: asked.version, checksum: submitted.checksum, change: request.id },
        }
      }),
  }),
  route({
    method: 'POST',
    path: '/programmes/{code}/versions/{version}/withdraw',
    tag,
    summary: 'take a version back that is not published; a published one needs the change request programme-withdraw',
    params: versionParams,
    body: shape({ reason: words('Why.') }),
    answers: { 200: shape(versionProperties) },
    changes: true,
    handler: (call) =>
      changeOnce(call, async (client) => {
        const { actor, params: asked, body, services } = call
        const { state } = await findProgramme(client, asked.code, asked.version)
        if (state === 'published') {
          throw new MizanError('CONFLICT', 'it is published: ask with the change request programme-withdraw')
        }
        const by = { actor: actor.id, today: civilDate(services.clock.now()), reason: body.reason }
        const withdrawn = await withdrawProgramme(client, asked, by)
        return {
          answer: ok(versionView(withdrawn)),
          detail: { programme: asked.code, version: asked.version, reason: body.reason },
        }
      }),
  }),
]

/** A version is checked with those before it, not with itself. */
function isBefore(
  { version: published }: { readonly version: number },
  given: Readonly<Record<string, unknown>>,
): boolean {
  return typeof given.version !== 'number' || published < given.version
}
