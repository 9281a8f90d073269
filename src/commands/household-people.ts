import { Command } from 'commander'
import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'
import { MizanError } from '../errors.ts'
import {
  addMember,
  changeHead,
  changeOf,
  changeStanding,
  enrolHousehold,
  moveHousehold,
  removeMember,
  setClasses,
} from '../store/people-enrolment.ts'
import { changeMobile } from '../store/people-entry.ts'
import { readHousehold } from '../store/search-households.ts'
import { changeNoted } from './access-desk.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, keptText, withCommonOptions } from './common-options.ts'
import { householdLookCommands } from './household-look.ts'
import { authorOf } from './keys-desk.ts'
import {
  actorOfTwo,
  askNoted,
  atPeopleDesk,
  householdNumber,
  type PeopleChangeOptions,
  peopleActor,
  sayOutcome,
  textOf,
  withChangeOptions,
} from './people-access.ts'
import { logInSecondPerson } from './second-person.ts'

interface WhyOptions extends PeopleChangeOptions {
  readonly reasonCode: string
  readonly reason?: string
  readonly effective?: string
}

const person = Type.Object(
  {
    nationalId: Type.String(),
    name: Type.String(),
    mobile: Type.Optional(Type.String()),
    mobileProof: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
)
const enrolment = Type.Object(
  {
    head: person,
    members: Type.Array(person),
    governorate: Type.String(),
    classes: Type.Optional(Type.Array(Type.String())),
    entitledFrom: Type.Optional(Type.String()),
    hasOldRationCard: Type.Boolean(),
  },
  { additionalProperties: false },
)

/** The commands on one household and its people. */
export function householdPeopleCommands(io: CommandIo): Command[] {
  return [
    ...householdLookCommands(io),
    enrolCommand(io),
    addCommand(io),
    removeCommand(io),
    headCommand(io),
    standingCommand(
      io,
      'suspend',
      'suspended',
      'stop the support of a household from the day after; a second person agrees',
    ),
    standingCommand(
      io,
      'reinstate',
      'reinstated',
      'give a household its support back from the day after; a second person agrees',
    ),
    classesCommand(io),
    moveCommand(io),
    mobileCommand(io),
  ]
}

function enrolCommand(io: CommandIo): Command {
  const command = new Command('enrol').description('enrol a household and apply for its first card')
  return withChangeOptions(command)
    .requiredOption('--file <file>', 'JSON as in docs/people.md; - reads standard input')
    .action((options: PeopleChangeOptions & { readonly file: string }) =>
      atPeopleDesk(io, options, async (desk) => {
        const input = jsonOf(io, options.file, enrolment)
        const asked = await askNoted(io, desk.client, { action: 'household enrol' }, async () => {
          return (await enrolHousehold(desk, input, peopleActor(io, options))).command
        })
        const { household, order } = asked.detail
        await sayOutcome(io, desk.client, asked, options, { household: Number(household), order: Number(order) })
      }),
    )
}

function addCommand(io: CommandIo): Command {
  const command = new Command('add-member').description('add a person to a household, from the day after')
  return withWhy(command)
    .argument('<household>', 'number of the household')
    .requiredOption('--file <file>', 'the person, JSON as in docs/people.md; - reads standard input')
    .action((text: string, options: WhyOptions & { readonly file: string }) =>
      atPeopleDesk(io, options, async (desk) => {
        const input = { ...jsonOf(io, options.file, person), ...whyOf(options) }
        const id = householdNumber(text)
        const asked = await askNoted(io, desk.client, { action: 'household add-member', householdId: id }, () =>
          addMember(desk, id, input, peopleActor(io, options)),
        )
        await sayOutcome(io, desk.client, asked, options)
      }),
    )
}

function removeCommand(io: CommandIo): Command {
  return onPerson(io, 'remove-member', 'take a person out of a household, from the day after', removeMember)
}

function headCommand(io: CommandIo): Command {
  return onPerson(io, 'head', 'make another member the head of household', changeHead)
}

function onPerson(io: CommandIo, name: string, description: string, change: typeof removeMember): Command {
  return withWhy(new Command(name).description(description))
    .argument('<household>', 'number of the household')
    .argument('<person>', 'number of the person, as mizan household show has it')
    .action((text: string, personText: string, options: WhyOptions) =>
      atPeopleDesk(io, options, async (desk) => {
        const id = householdNumber(text)
        const asked = await askNoted(io, desk.client, { action: `household ${name}`, householdId: id }, () =>
          change(desk, id, personNumber(personText), whyOf(options), peopleActor(io, options)),
        )
        await sayOutcome(io, desk.client, asked, options)
      }),
    )
}

function standingCommand(io: CommandIo, name: string, event: 'suspended' | 'reinstated', description: string): Command {
  return withWhy(new Command(name).description(description))
    .argument('<household>', 'number of the household')
    .action((text: string, options: WhyOptions) =>
      atPeopleDesk(io, options, async (desk) => {
        const id = householdNumber(text)
        // What cannot be is refused before anybody has to log in.
        changeOf(desk, whyOf(options))
        await readHousehold(desk.client, id)
        const second = await logInSecondPerson(io, desk.client, {
          prompt: 'second person who agrees',
          roles: ['operator'],
          what: `agreeing to ${name} a household`,
        })
        const actor = actorOfTwo(peopleActor(io, options), second)
        const asked = await askNoted(io, desk.client, { action: `household ${name}`, householdId: id, second }, () =>
          changeStanding(desk, id, event, whyOf(options), actor),
        )
        await sayOutcome(io, desk.client, asked, options)
      }),
    )
}

function classesCommand(io: CommandIo): Command {
  return withWhy(new Command('classes').description('set the classes that a household belongs to'))
    .argument('<household>', 'number of the household')
    .argument('[classes...]', 'codes of the classes; none takes it out of all')
    .action((text: string, classes: string[], options: WhyOptions) =>
      atPeopleDesk(io, options, async (desk) => {
        const id = householdNumber(text)
        const asked = await askNoted(io, desk.client, { action: 'household classes', householdId: id }, () =>
          setClasses(desk, id, classes, whyOf(options), peopleActor(io, options)),
        )
        await sayOutcome(io, desk.client, asked, options)
      }),
    )
}

function moveCommand(io: CommandIo): Command {
  return withWhy(
    new Command('move').description(
      'say that a household lives in another governorate, whose outlets serve it at once',
    ),
  )
    .argument('<household>', 'number of the household')
    .argument('<governorate>', 'code of the governorate, such as PTS')
    .action((text: string, governorate: string, options: WhyOptions) =>
      atPeopleDesk(io, options, async (desk) => {
        const id = householdNumber(text)
        const asked = await askNoted(io, desk.client, { action: 'household move', householdId: id }, () =>
          moveHousehold(desk, id, governorate, whyOf(options), peopleActor(io, options)),
        )
        await sayOutcome(io, desk.client, asked, options)
      }),
    )
}

function mobileCommand(io: CommandIo): Command {
  const command = new Command('mobile').description('change the mobile number of a person, to one in the own name')
  return withCommonOptions(command)
    .argument('<person>', 'number of the person, as mizan household show has it')
    .requiredOption('--proof <word>', 'how it was shown that the number is in the own name, such as operator-check')
    .option('--file <file>', 'holds the number; - reads standard input, where no list of processes shows it', '-')
    .action((text: string, options: CommonOptions & { readonly proof: string; readonly file: string }) =>
      atPeopleDesk(io, options, async (desk) => {
        const personId = personNumber(text)
        const input = { mobile: textOf(io, options.file), mobileProof: options.proof }
        const actor = { name: authorOf(io).user }
        const noted = { action: 'household mobile', detail: { person: personId } }
        const mobile = await changeNoted(io, desk.client, noted, () => changeMobile(desk, personId, input, actor))
        if (options.json) io.out(`${JSON.stringify({ personId, mobile })}\n`)
        else io.out(`person ${personId} has the mobile number ${mobile} now\n`)
      }),
    )
}

/** @throws MizanError BAD_INPUT, without what was typed: people do type IDs */
function personNumber(text: string): number {
  if (/^[1-9]\d{0,11}$/.test(text)) return Number(text)
  throw new MizanError('BAD_INPUT', 'a person is named by the number that mizan household show has, never by an ID')
}

function withWhy(command: Command): Command {
  return withChangeOptions(command)
    .requiredOption('--reason-code <code>', 'a word such as birth, death, moved or income')
    .option('--reason <text>', 'in words; it stays in the history', keptText)
    .option('--effective <date>', 'yyyy-mm-dd; the change counts from the day after (default: today)')
}

function whyOf({ reasonCode, reason, effective }: WhyOptions) {
  return { reasonCode, ...(reason === undefined ? {} : { reason }), ...(effective === undefined ? {} : { effective }) }
}

/** @throws MizanError BAD_INPUT, without what stands in the file: it is a person's */
function jsonOf<S extends Type.TSchema>(io: CommandIo, file: string, schema: S): Static<S> {
  let content: unknown
  try {
    content = JSON.parse(textOf(io, file))
  } catch (cause) {
    if (cause instanceof MizanError) throw cause
    throw new MizanError('BAD_INPUT', `${file} is not JSON`)
  }
  if (Value.Check(schema, content)) return content as Static<S>
  const places = Value.Errors(schema, content).map(({ instancePath, message }) => `${instancePath || '/'} ${message}`)
  throw new MizanError('BAD_INPUT', `${file}: ${[...new Set(places)].join('; ')}`)
}
