import { Command, Option } from 'commander'
import { MizanError } from '../errors.ts'
import { ComponentEntry, type EnteredKey } from '../security/keys/components.ts'
import { familyOf, type KeyFamily, lengthOf } from '../security/keys/key-families.ts'
import { nextVersion } from '../security/keys/rotation.ts'
import { wipe } from '../security/primitives/secrets.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'
import { logIn, withTries } from './custodian-login.ts'
import { addKey, atOpenKeyDesk, authorOf, type OpenKeyDesk, printedKey } from './keys-desk.ts'
import { hexOfLine, type LineInput } from './line-input.ts'

interface EnterOptions extends CommonOptions {
  readonly components: string
  readonly algorithm?: string
  readonly bytes?: string
  readonly activate: boolean
}

/** `mizan keys enter`: a key from components, each typed by another custodian. */
export function enterCommand(io: CommandIo): Command {
  const command = new Command('enter')
    .description('enter a key in components under dual control: each by another custodian, who logs in first')
    .argument('<name>', 'such as kek:visa')
    .addOption(new Option('--components <number>', 'how many').choices(['2', '3']).makeOptionMandatory())
    .addOption(new Option('--algorithm <name>', 'where the kind of key allows several').choices(['tdes', 'aes']))
    .option('--bytes <number>', 'length of the key, where the kind of key allows several')
    .option('--activate', 'use it at once; otherwise it is pending until mizan keys activate', false)
    .addHelpText('after', HELP)
  return withCommonOptions(command).action(async (name: string, options: EnterOptions) => {
    const family = familyOf(name)
    const entry = entryFor(family, options)
    await atOpenKeyDesk(io, options, async (desk) => {
      const input = io.openInput()
      try {
        if (desk.config.environment === 'production' && !input.interactive) {
          throw new MizanError('CRYPTO_REFUSED', 'in production, components are typed at a terminal')
        }
        // With --json the result stands alone on standard output.
        const say = (text: string) => (options.json ? io.note(text) : io.out(text))
        const entered = await takeComponents(io, desk, input, entry, say)
        await store(io, desk, name, family, entered, options)
      } finally {
        entry.cancel()
        input.close()
      }
    })
  })
}

const HELP = `
Each custodian types name, secret and component; nothing of secret or component is shown. The check value of each
component is, to be compared with the custodian's paper. At the end the last custodian types the check value of the
whole key, as on the paper, to accept it.

Outside production the same may come from a pipe: for each component a line with the name, one with the secret and one
with the component, then a line with the check value of the key.`

function entryFor(family: KeyFamily, options: EnterOptions): ComponentEntry {
  const wanted = options.algorithm === undefined ? undefined : options.algorithm === 'tdes' ? 'T' : 'A'
  const { algorithm, bytes } = lengthOf(family, wanted, options.bytes === undefined ? undefined : Number(options.bytes))
  if (algorithm === 'H') {
    throw new MizanError('BAD_INPUT', `keys ${family.family} are not entered in components: generate or import them`)
  }
  const { usage, modeOfUse } = family
  return new ComponentEntry({ usage, algorithm, modeOfUse, keyBytes: bytes, components: Number(options.components) })
}

async function takeComponents(
  io: CommandIo,
  desk: OpenKeyDesk,
  input: LineInput,
  entry: ComponentEntry,
  say: (text: string) => void,
): Promise<EnteredKey> {
  const { components } = entry.plan
  let keyKcv: string | undefined
  for (let position = 1; position <= components; position++) {
    const what = `of component ${position} of ${components}`
    const custodian = await withTries(io, input, () => logIn(io, desk.client, input, what, entry.holders))
    const answer = await withTries(io, input, async () => {
      const line = await input.askSecret(`component ${position} (${entry.plan.keyBytes * 2} hex digits): `)
      try {
        return entry.add(custodian, hexOfLine(line))
      } finally {
        wipe(line)
      }
    })
    say(`component ${position}: check value ${answer.componentKcv}\n`)
    keyKcv = answer.keyKcv
  }
  say(`key: check value ${keyKcv ?? ''}\n`)
  const confirming = entry.holders.at(-1) ?? ''
  return withTries(io, input, async () =>
    entry.confirm(confirming, await input.ask('check value of the key as on paper, to accept it: ')),
  )
}

async function store(
  io: CommandIo,
  desk: OpenKeyDesk,
  name: string,
  family: KeyFamily,
  entered: EnteredKey,
  options: EnterOptions,
): Promise<void> {
  const { plan, key: clear, holders } = entered
  try {
    const { usage, modeOfUse, exportability } = family
    const key = desk.module.protect({ usage, algorithm: plan.algorithm, modeOfUse, exportability }, clear)
    const version = nextVersion(desk.keys, name)
    const author = authorOf(io, holders, `entered in ${plan.components} components`)
    const record = await addKey(desk, { name, version, key, active: options.activate }, author)
    printedKey(io, options, record)
  } finally {
    wipe(clear)
  }
}
