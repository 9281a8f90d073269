import { Type } from 'typebox'
import { closed, group } from './link-schema.ts'

const label = (maxLength: number, description: string) => Type.String({ minLength: 1, maxLength, description })

/** Where the master key is; part of the configuration file in schema.ts. */
export const security = Type.Object(
  {
    masterKeyFile: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'File of mode 0600 with the master key. The key itself may come from MIZAN_MASTER_KEY (64 hex digits).',
      }),
    ),
    pkcs11: Type.Optional(
      Type.Object(
        {
          module: Type.String({ minLength: 1, description: "File of the token's PKCS#11 module." }),
          tokenLabel: label(32, 'Label of the token.'),
          keyLabel: label(255, 'Label of the master key: an AES-256 key for signing that cannot leave the token.'),
          pinFile: Type.Optional(
            Type.String({
              minLength: 1,
              description: "File of mode 0600 with the user's PIN. The PIN itself may come from MIZAN_PKCS11_PIN.",
            }),
          ),
        },
        { ...closed, description: 'Present = a PKCS#11 token keeps the master key; needs the package pkcs11js.' },
      ),
    ),
  },
  {
    ...group,
    description: 'The master key. Without any setting one is generated in the data folder, but not in production.',
  },
)

/** What a message must bring; part of the configuration file in schema.ts. */
export const verification = Type.Object(
  {
    pinTriesMax: Type.Integer({
      minimum: 1,
      maximum: 15,
      default: 3,
      description: 'Wrong PINs in a row after which a card’s PIN is refused until it is reset.',
    }),
    oneTimeCode: Type.Object(
      {
        validMinutes: Type.Integer({ minimum: 1, maximum: 60, default: 5, description: 'How long a code is good.' }),
        triesMax: Type.Integer({ minimum: 1, maximum: 10, default: 3, description: 'Wrong tries that end a code.' }),
        perDayMax: Type.Integer({
          minimum: 1,
          maximum: 50,
          default: 5,
          description: 'Codes that a household is sent on a day.',
        }),
      },
      { ...closed, default: {}, description: 'One-time codes, sent to the head of household.' },
    ),
    chipDataRequired: Type.Boolean({
      default: false,
      description: 'Whether a message that says it read a chip (DE22) must bring chip data (DE55).',
    }),
    pinRequiredFor: Type.Array(Type.String({ pattern: '^[0-9]{2}$' }), {
      maxItems: 20,
      default: [],
      description: 'Transaction types (DE3, first two digits) that must bring a PIN, such as "01" for cash.',
    }),
  },
  { ...group, description: 'What a message must bring. What it does bring is always verified.' },
)
