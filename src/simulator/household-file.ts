import type { ProgrammeBook } from '../benefit/programme-book.ts'
import { type CivilDate, formatDate } from '../calendar.ts'
import { type DemoIssuer, PSN, SERVICE_CODE } from './demo-issuer.ts'
import { demoHousehold } from './demo-world.ts'

/** What a sample file is made of. */
export interface HouseholdSample {
  readonly seed: number
  /** Number of the first household. */
  readonly first: number
  readonly count: number
  readonly today: CivilDate
  readonly programmes: ProgrammeBook
  /** Makes the PIN references of the cards. */
  readonly issuer: DemoIssuer
  /** Seals card numbers; without it they stand in the file in clear. */
  readonly seal?: (pan: string, householdId: number) => Buffer
}

/** The lines of a file of demo households, as `mizan household load` takes it, with its trailer. */
export function* householdFileLines(sample: HouseholdSample): Generator<string, void, undefined> {
  const { first, count, today } = sample
  const month = formatDate(today).slice(0, 7)
  let members = 0
  let postalPiasters = 0
  for (let id = first; id < first + count; id++) {
    const household = demoHousehold(sample.seed, id, false)
    members += household.members
    postalPiasters += household.postalPiasters
    const { pan } = household
    const number = sample.seal === undefined ? { pan } : { panSealed: sample.seal(pan, id).toString('base64') }
    const balances = [
      { programme: 'points', period: month, amount: household.pointsPiasters },
      { programme: 'grants', period: month, amount: household.grantsPiasters },
    ].filter(({ programme, amount }) => amount > 0 && sample.programmes.wallet(programme) !== undefined)
    yield `${JSON.stringify({
      household: id,
      governorate: household.governorate,
      terms: [{ from: `${month}-01`, members: household.members, status: 'active' }],
      classes: [],
      oldRationCard: household.oldRationCard,
      cards: [
        {
          ...number,
          id,
          kind: 'family',
          status: household.status,
          expiry: household.expiry,
          sequenceNumber: PSN,
          serviceCode: SERVICE_CODE,
          ...sample.issuer.pinReference(household),
        },
      ],
      postalPiasters: household.postalPiasters,
      balances,
    })}\n`
  }
  yield `${JSON.stringify({ trailer: { households: count, members, cards: count, postalPiasters } })}\n`
}
