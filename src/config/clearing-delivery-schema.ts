import { Type } from 'typebox'
import { fileTypes } from '../store/clearing/clearing-file.ts'
import { closed, group } from './link-schema.ts'

/** The parts of the group `clearing` that concern protection, release and delivery of files. */

const count = (minimum: number, maximum: number, value: number, description: string) =>
  Type.Integer({ minimum, maximum, default: value, description })
const name = (description: string) => Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,31}$', description })
const types = (description: string) =>
  Type.Array(Type.Enum([...fileTypes]), { maxItems: 16, uniqueItems: true, description })

const sftp = Type.Object(
  {
    host: Type.String({ minLength: 1, maxLength: 255, description: 'Name or address of the server.' }),
    port: count(1, 65_535, 22, 'TCP port.'),
    user: Type.String({ minLength: 1, maxLength: 64, description: 'Who logs in.' }),
    keyFile: Type.Optional(
      Type.String({ minLength: 1, description: 'File of mode 0600 with a private key of OpenSSH or PEM.' }),
    ),
    passwordFile: Type.Optional(Type.String({ minLength: 1, description: 'File of mode 0600 with a password.' })),
    hostKeySha256: Type.String({
      pattern: '^SHA256:[A-Za-z0-9+/]{43}=?$',
      description: "Fingerprint of the server's key as `ssh-keygen -lf` prints it; another key is refused.",
    }),
    timeoutMs: count(1_000, 600_000, 30_000, 'Longest time without a byte, in milliseconds.'),
  },
  { ...closed, description: 'A server of the partner; one of `keyFile` and `passwordFile`.' },
)

/** Where files go to, or come from. */
const place = {
  folder: Type.String({
    minLength: 1,
    maxLength: 500,
    description: 'Folder: of the server with `sftp`, else of this machine, relative to the clearing folder.',
  }),
  sftp: Type.Optional(sftp),
}

const destination = Type.Object(
  {
    name: name('Name of the destination, in lists and metrics.'),
    types: Type.Optional(types('Types of files that go there; absent = all.')),
    institutions: Type.Optional(
      Type.Array(Type.String({ pattern: '^[A-Z0-9]{2,11}$' }), {
        maxItems: 256,
        description: 'Institutions whose files go there; absent = all.',
      }),
    ),
    partner: Type.Optional(
      Type.String({
        pattern: '^[A-Z0-9]{2,11}$',
        description: 'Whose certificate files are encrypted with; absent = that of the institution.',
      }),
    ),
    ...place,
    encrypt: Type.Boolean({
      default: false,
      description: 'Whether files without card numbers are encrypted too; those with are always.',
    }),
    acknowledgeWithinMinutes: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 10_080,
        description: 'Within how many minutes the receiver answers; absent = no answer is expected.',
      }),
    ),
  },
  { ...closed },
)

const inbox = Type.Object(
  {
    name: name('Name of the place, in lists and metrics.'),
    partner: Type.String({
      pattern: '^[A-Z0-9]{2,11}$',
      description: 'Whose files lie there: who has to have signed.',
    }),
    ...place,
    type: Type.Optional(
      Type.Enum([...fileTypes], { description: 'Type of files whose name does not say it (UC.TYPE.…).' }),
    ),
    requireSignature: Type.Boolean({
      default: true,
      description: 'Whether a file needs a signature (NAME.p7s beside it).',
    }),
    remove: Type.Boolean({
      default: false,
      description: 'Whether a file is removed there once it is here; else it is left and known by its bytes.',
    }),
    bytesMax: count(1, 1_099_511_627_776, 5_368_709_120, 'Largest file that is taken.'),
  },
  { ...closed },
)

/** `clearing.release` */
export const release = Type.Object(
  {
    required: Type.Optional(
      types('Types of files that two people release. Absent = all in production, none elsewhere.'),
    ),
  },
  { ...group, description: 'Release of files by two people.' },
)

/** `clearing.delivery` */
export const delivery = Type.Object(
  {
    cipher: Type.Enum(['aes-256-gcm', 'aes-256-cbc'], {
      default: 'aes-256-gcm',
      description: 'Cipher of encrypted files; CBC for receivers who cannot read AuthEnvelopedData.',
    }),
    destinations: Type.Array(destination, {
      default: [],
      maxItems: 256,
      description:
        'Where files go; the first that fits counts. Outside production what none fits goes to `delivered` in the clearing folder.',
    }),
    attempts: count(1, 1_000, 20, 'Attempts to deliver a file before somebody has to see to it.'),
    firstRetryMs: count(100, 3_600_000, 5_000, 'Wait after the first failure, in milliseconds; doubled each time.'),
    longestRetryMs: count(100, 86_400_000, 600_000, 'Longest wait between two attempts, in milliseconds.'),
    inboxes: Type.Array(inbox, { default: [], maxItems: 256, description: 'Where files of partners are fetched.' }),
    expiryWarningDays: count(1, 365, 30, 'Days before its end on which a certificate is told.'),
  },
  { ...group, description: 'Delivery and fetching of files; see docs/delivery.md.' },
)
