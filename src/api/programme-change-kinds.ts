import { Type } from 'typebox'
import { civilDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import { nested } from '../store/access-pool.ts'
import type { Client } from '../store/connection.ts'
import { listProgrammes } from '../store/programme-reader.ts'
import { publishProgrammes, withdrawProgramme } from '../store/programme-store.ts'
import { setRollout } from '../store/reference-rollout.ts'
import type { ChangeKind } from './changes.ts'
import { date, shape } from './shapes.ts'

type Payload = Readonly<Record<string, unknown>>

const programme = Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$', description: 'Code of the programme.' })

const versionProperties = {
  code: programme,
  version: Type.Integer({ minimum: 1, maximum: 100_000, description: 'Number of the version.' }),
}

type Version = { readonly code: string; readonly version: number }

function versionsOf(payload: Payload): Version[] {
  return (payload.versions as readonly Version[]).map(({ code, version }) => ({ code, version }))
}

async function requireSubmitted(client: Client, { code, version }: Version): Promise<void> {
  const found = (await listProgrammes(client, { code })).find((one) => one.version === version)
  if (found?.state === 'submitted') return
  throw new MizanError('CONFLICT', `version ${version} of ${code} is ${found?.state ?? 'not there'}: submit it first`)
}

/** Changes of programmes, and where they are live, that need a second person. */
export const programmeChangeKinds: Readonly<Record<string, ChangeKind>> = {
  'programme-publish': {
    what: 'publish submitted versions of programmes; those that need each other together',
    makers: ['operator'],
    checkers: ['operator'],
    payload: shape({ versions: Type.Array(shape(versionProperties), { minItems: 1, maxItems: 20 }) }),
    validate: async (client, payload) => {
      for (const one of versionsOf(payload)) await requireSubmitted(client, one)
    },
    execute: async (client, { payload, checker }, { clock }) => {
      const by = { actor: `user:${checker}`, today: civilDate(clock.now()) }
      const published = await publishProgrammes(client, versionsOf(payload), by)
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
    execute: async (client, { payload, checker, reason }, { clock }) => {
      const reference = { code: String(payload.code), version: Number(payload.version) }
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
