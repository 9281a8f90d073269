import type { Test } from 'tap'
import { withCheckDigit } from '../../src/identifiers.ts'
import { KeyRing } from '../../src/security/keys/key-ring.ts'
import { panProtection } from '../../src/security/pan-protection.ts'
import { personalData } from '../../src/security/personal-data.ts'
import type { TestCard } from '../../src/simulator/credentials.ts'
import { DemoIssuer, PSN, SERVICE_CODE, track2Of } from '../../src/simulator/demo-issuer.ts'
import { type CommandState, readCommand } from '../../src/store/command-requests.ts'
import { connect } from '../../src/store/connection.ts'
import { readKeys } from '../../src/store/key-store.ts'
import type { PersonalisedCard } from '../../src/store/people-card-part.ts'
import type { PeopleDesk } from '../../src/store/people-desk.ts'
import type { PersonInput } from '../../src/store/people-register.ts'
import { startTestSwitch, type TestSwitchOptions } from '../support/switch.ts'
import { protectionKeyOf } from '../support/writer.ts'

const MASTER_KEY = 'a5'.repeat(32)
const TIMEOUT_MS = 60_000
/** Many commands come one after another here. */
const POLL_MS = 4

/** A switch, and a desk for people on its database, at its clock. */
export async function peopleWorld(t: Test, options: TestSwitchOptions = {}) {
  const world = await startTestSwitch(t, { households: 60, ...options })
  const client = await connect({ url: world.databaseUrl, name: 'mizan test', role: 'mizan_app' })
  t.teardown(() => client.end())
  const ring = new KeyRing(protectionKeyOf(MASTER_KEY))
  ring.load((await readKeys(client)).keys)
  const now = () => world.clock.now()
  const desk: PeopleDesk = {
    client,
    personal: personalData(ring, now),
    pans: panProtection(ring, now),
    now,
  }
  const issuer = new DemoIssuer(world.world.keys)
  return {
    world,
    desk,
    /** What came of a command, in words. */
    async outcome(asked: CommandState | Promise<CommandState>): Promise<string> {
      const { lane, id } = await asked
      for (const deadline = Date.now() + TIMEOUT_MS; ; ) {
        const { end } = await readCommand(client, lane, id)
        if (end !== undefined) return end.outcome
        if (Date.now() > deadline) return 'waits'
        await new Promise((resolve) => setTimeout(resolve, POLL_MS))
      }
    },
    /** A card as the printer makes it, and as its holder has it. */
    newCard(number: number): { made: PersonalisedCard; held: TestCard } {
      const face = { pan: withCheckDigit(`400000${900_000_000 + number}`), expiry: '3112', pin: '4711' }
      const values = issuer.values(face)
      const made = {
        pan: face.pan,
        expiry: face.expiry,
        sequenceNumber: PSN,
        serviceCode: SERVICE_CODE,
        pin: { pvki: values.pvki, pvv: values.pvv },
      }
      return { made, held: { pan: face.pan, expiry: face.expiry, track2: track2Of(face, values, values.cvv) } }
    },
    /** Templates that a household was told something by, in order, but for what it drew. */
    async told(householdId: number): Promise<string[]> {
      const { rows } = await world.client.query<{ template: string }>(
        "select template from notification where household_id = $1 and template <> 'dispense' order by id",
        [householdId],
      )
      return rows.map(({ template }) => template)
    },
  }
}

/** A person that nobody is: the number is only well-formed. */
export function person(number: number, mobile = true): PersonInput {
  const serial = String(10_000 + number).padStart(5, '0')
  const base = { nationalId: `2900${String((number % 9) + 1)}15${'03'}${serial}`, name: `Person ${letters(number)}` }
  if (!mobile) return base
  return { ...base, mobile: `010${String(number).padStart(8, '0')}`, mobileProof: 'operator-check' }
}

/** A name has no digits. */
function letters(number: number): string {
  return String(number).replaceAll(/\d/g, (digit) => String.fromCharCode(97 + Number(digit)))
}

/** An account number that is only well-formed. */
export function iban(number: number): string {
  const body = String(number).padStart(25, '0')
  const check = 98n - (BigInt(`${body}141600`) % 97n)
  return `EG${String(check).padStart(2, '0')}${body}`
}
