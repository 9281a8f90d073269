import { Type } from 'typebox'
import { civilDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import { nested } from '../store/access-pool.ts'
import type { Client } from '../store/connection.ts'
import { listProgrammes } from '../store/programme-reader.ts'
import type { ProgrammeState } from '../store/programme-record.ts'
import { publishProgrammes, withdrawProgramme } from '../store/programme-store.ts'
import { setRollout } from '../store/reference-rollout.ts'
import type { ChangeKind } from './changes.ts'
import { date, shape } from './shapes.ts'

const programme = Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$', description: 'Code of the programme.' })

const versionProperties = {
  code: programme,
  version: Type.Integer({ minimum: 1, maximum: 100_000, description: 'Number of the version.' }),
  checksum: Type.Optional(
    Type.String({
      pattern: '^[0-9a-f]{64}$',
      description: 'Of its content; absent = that of the content as it is now.',
    }),
  ),
}

/** A version with the checksum of the content that is asked for: the content under a number may be written anew. */
type Version = { readonly code: string; readonly version: number; readonly checksum?: string }
/** A version as the maker and the checker saw it: {@link seen} has added what was not said. */
type Agreed = Required<Version>

/** The version with the checksum of its content now. @throws MizanError CONFLICT when it is not of the state */
async function seen(client: Client, wanted: Version, state: ProgrammeState, advice: string): Promise<Agreed> {
  const { code, version } = wanted
  const found = (await listProgrammes(client, { code })).find((one) => one.version === version)
  if (found?.state !== state) {
    throw new MizanError('CONFLICT', `version ${version} of ${code} is ${found?.state ?? 'not there'}: ${advice}`)
  }
  if (wanted.checksum !== undefined && wanted.checksum !== found.checksum) {
    throw new MizanError('CONFLICT', `version ${version} of ${code} has another content than the one asked for`)
  }
  return { code, version, checksum: found.checksum }
}

/** Changes of programmes, and where they are live, that need a second person. */
export const programmeChangeKinds: Readonly<Record<string, ChangeKind>> = {
  'programme-publish': {
    what: 'publish submitted versions of programmes; those that need each other together',
    makers: ['operator'],
    checkers: ['operator'],
    payload: shape({ versions: Type.Array(shape(versionProperties), { minItems: 1, maxItems: 20 }) }),
    bound: async (client, payload) => {
      const versions: Agreed[] = []
      for (const one of payload.versions as Version[])
        versions.push(await seen(client, one, 'submitted', 'submit it first'))
      return { versions }
    },
    execute: async (client, { payload, checker }, { clock }) => {
      const by = { actor: `user:${checker}`, today: civilDate(clock.now()) }
      const published = await publishProgrammes(client, payload.versions as Agreed[], by)
      const words = published.map(
        ({ code, version, effectiveFrom }) => `${code} version ${version} from ${effectiveFrom}`,
      )
      return { by: 'change', result: `published: ${words.join(', ')}` }
    },
    settled: async ({ refresh }) => refresh?.programmes(),
  },
  'programme-withdraw': {
    what: 'take a published version back that has not begun',
    makers: ['operator'],
    checkers: ['operator'],
    payload: shape(versionProperties),
    bound: async (client, payload) => ({
      ...(await seen(client, payload as Version, 'published', 'only a published one is taken back by two people')),
    }),
    execute: async (client, { payload, checker, reason }, { clock }) => {
      const reference = payload as Agreed
      const by = { actor: `user:${checker}`, today: civilDate(clock.now()), reason }
      await withdrawProgramme(client, reference, by)
      return { by: 'change', result: `${reference.code} version ${reference.version} is withdrawn` }
    },
    settled: async ({ refresh }) => refresh?.programmes(),
  },
  'rollout-set': {
    what: 'set the date from which a service is live in a governorate',
    makers: ['operator'],
    checkers: ['operator'],
    payload: shape({
      service: programme,
      governorate: Type.String({ pattern: '^[A-Z]{1,3}$', description: 'ISO 3166-2:EG, such as PTS.' }),
      liveFrom: date('First day; later than today takes it back until then.'),
    }),
    execute: async (client, { payload, reason, maker, checker }) => {
      const entry = {
        service: String(payload.service),
        governorate: String(payload.governorate),
        liveFrom: String(payload.liveFrom),
      }
      const services = [...new Set((await listProgrammes(client)).map(({ code }) => code))]
      const by = { actor: `${maker} + ${checker}`.slice(0, 64), reason, services }
      const isChanged = await setRollout(nested(client), entry, by)
      const { service, governorate, liveFrom } = entry
      const verb = isChanged ? 'is' : 'was'
      return { by: 'change', result: `${service} ${verb} live in ${governorate} from ${liveFrom}` }
    },
    settled: async ({ refresh }) => refresh?.reference(),
  },
}
