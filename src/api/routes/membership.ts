import { Type } from 'typebox'
import { applyMembershipFile, checkMembershipFile, type MembershipResult } from '../../store/membership-file.ts'
import { requireApproval } from '../changes.ts'
import { deskOf } from '../desk.ts'
import { doOnce } from '../once.ts'
import { ok, type Route, route } from '../route.ts'
import { shape } from '../shapes.ts'
import { applyQuery, collectRejections, fileQuery, rejectionShape, uploadTypes, withUpload } from '../upload.ts'

const tag = 'people'
const counts = Type.Record(Type.String(), Type.Integer())

const resultShape = shape({
  sha256: Type.String({ description: 'What the file is known by, whatever its name.' }),
  lines: Type.Integer(),
  done: Type.Integer({ description: 'Lines that were carried out, or would be.' }),
  repeated: Type.Integer({ description: 'Lines that another file had brought before.' }),
  rejected: Type.Integer(),
  events: counts,
  governorates: Type.Record(Type.String(), counts),
  wasApplied: Type.Boolean({ description: 'Whether the file was applied before, and changed nothing now.' }),
  rejections: rejectionShape,
})

const resultView = (result: MembershipResult, rejections: readonly unknown[]) => ({ ...result, rejections })

/** Files that change who is a member of which household. */
export const membershipRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/membership-files/check',
    tag,
    summary: 'say what a membership file would change; nothing is changed',
    query: fileQuery,
    upload: uploadTypes,
    answers: { 200: resultShape },
    handler: (call) =>
      withUpload(call, async (file) => {
        const { rejections, onReject } = collectRejections()
        const desk = deskOf(call, call.services.database.queryable)
        return ok(resultView(await checkMembershipFile(desk, file, { onReject }), rejections))
      }),
  }),
  route({
    method: 'POST',
    path: '/membership-files',
    tag,
    summary: 'apply a membership file that a second person approved, each line once',
    description:
      'First ask with a change request `membership-file` that names the SHA-256 of the file; then send the file with its number.',
    query: applyQuery,
    upload: uploadTypes,
    answers: { 200: resultShape },
    changes: true,
    handler: (call) =>
      withUpload(call, (file) =>
        doOnce({ ...call, body: file.sha256 }, async () => {
          const { database } = call.services
          const { sha256 } = file
          await requireApproval(database.queryable, call.query.change, { kind: 'membership-file', sha256 })
          const { rejections, onReject } = collectRejections()
          const desk = deskOf(call, database.queryable)
          const result = await applyMembershipFile(desk, file, call.actor.id, { onReject })
          const { done, rejected, wasApplied } = result
          return {
            answer: ok(resultView(result, rejections)),
            detail: { sha256, change: call.query.change ?? 0, done, rejected, wasApplied },
          }
        }),
      ),
  }),
]
