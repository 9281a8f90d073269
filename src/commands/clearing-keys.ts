import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { Argument, Command } from 'commander'
import {
  certificatePem,
  type KeyPurpose,
  readCertificate,
  requireUsage,
  requireValid,
} from '../clearing/protection/certificate.ts'
import { factsOf, makeOwnKey } from '../clearing/protection/key-room.ts'
import { describeError, MizanError } from '../errors.ts'
import { readSecretFile } from '../security/secret-file.ts'
import {
  addClearingKey,
  type ClearingKey,
  type ClearingKeyPurpose,
  endClearingKey,
  OWN,
  readClearingKeys,
} from '../store/clearing/deliver-keys.ts'
import { DAY_MS } from '../time-units.ts'
import { changeNoted, systemActor } from './access-desk.ts'
import { atDelivery } from './clearing-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, keptText, withCommonOptions } from './common-options.ts'

/** `mizan clearing keys`: keys of ours and certificates of partners for clearing files. */
export function clearingKeysCommand(io: CommandIo = processIo): Command {
  return new Command('keys')
    .description('keys and certificates that protect clearing files: ours, and those of partners (docs/delivery.md)')
    .addCommand(listCommand(io))
    .addCommand(makeCommand(io))
    .addCommand(importCommand(io))
    .addCommand(exportCommand(io))
    .addCommand(endCommand(io, 'retire', 'retired', 'take nothing new under a key; what is older still opens'))
    .addCommand(endCommand(io, 'revoke', 'revoked', 'give a key up, because others may know it'))
}

const purpose = () => new Argument('<purpose>', 'sign or encrypt').choices(['sign', 'encrypt'])

function listCommand(io: CommandIo): Command {
  const command = new Command('list').description('list keys with their owners, validity and status')
  return withCommonOptions(command).action((options: CommonOptions) =>
    atDelivery(io, options, async ({ client, delivery, config }) => {
      const nowMs = Date.now()
      const warnMs = config.clearing.delivery.expiryWarningDays * DAY_MS
      const keys = await readClearingKeys(client)
      if (options.json) {
        io.out(`${JSON.stringify(keys.map(viewOf))}\n`)
        return
      }
      if (keys.length === 0) io.out('there are no keys yet: mizan clearing keys make sign, and make encrypt\n')
      for (const key of keys) io.out(`${lineOf(key, nowMs, warnMs, delivery.isProduction)}\n`)
    }),
  )
}

interface MakeOptions extends CommonOptions {
  readonly name: string
  readonly organization: string
  readonly days: string
}

function makeCommand(io: CommandIo): Command {
  const command = new Command('make')
    .description(
      'make a new key of ours, RSA of 3072 bits, with a certificate for partners; used at once, beside the one before',
    )
    .addArgument(purpose())
    .option('--name <name>', 'common name in the certificate', 'unified card clearing')
    .option('--organization <name>', 'organization in the certificate', 'Mizan')
    .option('--days <days>', 'how long it is valid', '730')
  return withCommonOptions(command).action((what: ClearingKeyPurpose, options: MakeOptions) =>
    atDelivery(io, options, async ({ client, delivery }) => {
      const days = Number(options.days)
      if (!/^\d{1,4}$/.test(options.days) || days < 1) throw new MizanError('BAD_INPUT', '--days is 1 to 9999')
      const seal = await delivery.openSeal()
      const by = systemActor(io)
      const { name, organization } = options
      const asked = { purpose: what, name, organization, validFromMs: Date.now() - 60_000, days, by }
      const made = await changeNoted(io, client, { action: 'clearing keys make', detail: { purpose: what } }, () =>
        makeOwnKey(client, seal, asked),
      )
      say(io, options, made, 'is made; give its certificate to the partners: mizan clearing keys export')
    }),
  )
}

interface ImportOptions extends CommonOptions {
  readonly certificate: string
  readonly key?: string
}

function importCommand(io: CommandIo): Command {
  const command = new Command('import')
    .description('take the certificate of a partner, or with --key a key of ours that was made elsewhere')
    .argument('<owner>', 'institution, such as NBE; own for a key of ours')
    .addArgument(purpose())
    .requiredOption('--certificate <file>', 'X.509, PEM')
    .option('--key <file>', 'private key of ours, PKCS #8 PEM in a file of mode 0600')
  return withCommonOptions(command).action((owner: string, what: KeyPurpose, options: ImportOptions) =>
    atDelivery(io, options, async ({ client, delivery }) => {
      if (!/^(own|[A-Z0-9]{2,11})$/.test(owner)) throw new MizanError('BAD_INPUT', `${owner} is no institution`)
      if ((owner === OWN) !== (options.key !== undefined)) {
        throw new MizanError('BAD_INPUT', 'a key of ours comes with --key, and only one of ours')
      }
      const certificate = readCertificate(io.readText(options.certificate))
      requireValid(certificate, Math.max(Date.now(), certificate.validFromMs))
      requireUsage(certificate, what)
      const seal = await delivery.openSeal()
      const privateKey = options.key === undefined ? undefined : privateKeyIn(options.key, certificate.publicKey)
      const sealedKey = privateKey === undefined ? undefined : seal.seal(privateKey, certificate.fingerprint)
      const facts = {
        ...factsOf(certificate),
        owner,
        purpose: what,
        sealedKey,
        isDemo: false,
        createdBy: systemActor(io),
      }
      const detail = { owner, purpose: what, fingerprint: certificate.fingerprint }
      const added = await changeNoted(io, client, { action: 'clearing keys import', detail }, () =>
        addClearingKey(client, facts),
      )
      say(io, options, added, 'is in use; read its fingerprint to the partner')
    }),
  )
}

function privateKeyIn(file: string, publicKey: KeyObject): KeyObject {
  let found: KeyObject
  try {
    found = createPrivateKey(`${readSecretFile(file, 'a private key for clearing files')}\n`)
  } catch (cause) {
    throw cause instanceof MizanError
      ? cause
      : new MizanError('BAD_INPUT', `${file}: ${describeError(cause)}`, { cause })
  }
  if (createPublicKey(found).equals(publicKey)) return found
  throw new MizanError('BAD_INPUT', 'the certificate is not that of this private key')
}

function exportCommand(io: CommandIo): Command {
  const command = new Command('export')
    .description('print the certificate of a key, PEM; never a private key')
    .argument('<id>', 'number of the key, as list shows it')
  return withCommonOptions(command).action((id: string, options: CommonOptions) =>
    atDelivery(io, options, async ({ client }) => {
      const key = await findKey(client, id)
      const pem = certificatePem({ der: key.certificate })
      io.out(options.json ? `${JSON.stringify({ ...viewOf(key), certificate: pem })}\n` : pem)
    }),
  )
}

function endCommand(io: CommandIo, name: string, status: 'retired' | 'revoked', description: string): Command {
  const command = new Command(name)
    .description(description)
    .argument('<id>', 'number of the key, as list shows it')
    .requiredOption('--reason <text>', 'why; it stays in the audit', keptText)
  return withCommonOptions(command).action((id: string, options: CommonOptions & { reason: string }) =>
    atDelivery(io, options, async ({ client }) => {
      const key = await findKey(client, id)
      const { owner, purpose: what, fingerprint } = key
      const detail = { owner, purpose: what, fingerprint, reason: options.reason }
      await changeNoted(io, client, { action: `clearing keys ${name}`, detail }, () =>
        endClearingKey(client, key.id, status, systemActor(io)),
      )
      say(io, options, { ...key, status }, `is ${status}`)
    }),
  )
}

async function findKey(client: Parameters<typeof readClearingKeys>[0], id: string): Promise<ClearingKey> {
  const found = (await readClearingKeys(client)).find((key) => String(key.id) === id)
  if (found === undefined)
    throw new MizanError('NOT_FOUND', `there is no key ${id}; mizan clearing keys list shows all`)
  return found
}

function viewOf({ certificate: _, sealedKey, validFromMs, validToMs, createdAtMs, ...key }: ClearingKey) {
  const dated = (ms: number) => new Date(ms).toISOString()
  return {
    ...key,
    isOurs: sealedKey !== undefined,
    validFrom: dated(validFromMs),
    validTo: dated(validToMs),
    createdAt: dated(createdAtMs),
  }
}

function say(io: CommandIo, options: CommonOptions, key: ClearingKey, what: string): void {
  const { id, owner, purpose: use, version, fingerprint } = key
  if (options.json) io.out(`${JSON.stringify(viewOf(key))}\n`)
  else io.out(`key ${id}, ${owner} ${use} version ${version}, ${what}\nSHA-256 ${fingerprint}\n`)
}

function lineOf(key: ClearingKey, nowMs: number, warnMs: number, isProduction: boolean): string {
  const { id, owner, purpose: use, version, status, fingerprint, validToMs, validFromMs, isDemo, subject } = key
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10)
  const notes = [
    ...(nowMs >= validToMs ? ['EXPIRED'] : validToMs - nowMs < warnMs ? ['ends soon'] : []),
    ...(nowMs < validFromMs ? ['not valid yet'] : []),
    ...(isDemo ? [isProduction ? 'DEMO KEY, refused' : 'demo key'] : []),
  ]
  const said = status === 'active' && notes.length > 0 ? `  ${notes.join(', ')}` : ''
  const what = `${owner.padEnd(11)} ${use.padEnd(7)} v${String(version).padEnd(3)} ${status.padEnd(8)}`
  return `${String(id).padStart(4)}  ${what} ${day(validFromMs)} to ${day(validToMs)}  ${fingerprint.slice(0, 16)}  ${subject}${said}`
}
