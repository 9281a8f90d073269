import { Type } from 'typebox'
import { releasable, releaseFiles } from '../clearing/delivery/release.ts'
import { MizanError } from '../errors.ts'
import type { ChangeKind } from './changes.ts'
import { dayOf } from './days.ts'
import { date, shape } from './shapes.ts'

/** Changes of clearing that need a second person. */
export const clearingChangeKinds: Readonly<Record<string, ChangeKind>> = {
  'files-release': {
    what: 'let the signed clearing files of a business date go out: exactly those that the digest is over',
    makers: ['settlement', 'operator'],
    // Payments may be among them.
    checkers: ['settlement'],
    payload: shape({
      businessDate: date('Business date.'),
      digest: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'As GET /clearing/releases/{date} shows it.' }),
    }),
    validate: async (client, payload) => {
      const { files, digest } = await releasable(client, dayOf(String(payload.businessDate)))
      if (files.length === 0) throw new MizanError('CONFLICT', 'no file of this date waits to be released')
      if (digest.toString('hex') !== payload.digest) {
        throw new MizanError('CONFLICT', 'the files that wait are not those of this digest: look at them again')
      }
    },
    execute: async (client, { payload, maker, checker }) => {
      const digest = Buffer.from(String(payload.digest), 'hex')
      const people = { maker, checker: `user:${checker}` }
      const files = await releaseFiles(client, dayOf(String(payload.businessDate)), digest, people)
      return { by: 'change', result: `${files.length} file(s) of ${payload.businessDate} are released` }
    },
  },
}
