import { type Static, Type } from 'typebox'

/** Schemas of listeners and outbound links; part of the configuration file's in schema.ts. */

/** An object that must be given and takes no other keys. */
export const closed = { additionalProperties: false }
/** An object that may be left out, since all in it has defaults. */
export const group = { additionalProperties: false, default: {} }

export const host = Type.String({ minLength: 1, default: '127.0.0.1', description: 'Address to listen on.' })
export const port = (value: number) =>
  Type.Integer({ minimum: 0, maximum: 65_535, default: value, description: 'TCP port; 0 = any free port.' })
const dialectName = { minLength: 1, pattern: '^[a-z0-9][a-z0-9-]*$' }
const framing = (value: 'len2' | 'ascii4' | 'visa') =>
  Type.Enum(['len2', 'ascii4', 'visa'], { default: value, description: 'How a message is framed on the stream.' })
const tls = Type.Object(
  {
    keyFile: Type.String({ minLength: 1, description: 'PEM file of the private key.' }),
    certFile: Type.String({ minLength: 1, description: 'PEM file of the certificate and its chain.' }),
    caFile: Type.Optional(Type.String({ minLength: 1, description: 'PEM file of the authorities trusted for peers.' })),
    requireClientCertificate: Type.Boolean({
      default: false,
      description: 'Refuse peers without a valid certificate; for listeners.',
    }),
    pinnedFingerprints: Type.Optional(
      Type.Array(Type.String({ pattern: '^[0-9a-fA-F]{2}(:?[0-9a-fA-F]{2}){31}$' }), {
        minItems: 1,
        maxItems: 32,
        description:
          'SHA-256 fingerprints of the only certificates taken from peers, also without authorities; on a listener, peers must show one.',
      }),
    ),
  },
  {
    ...closed,
    description:
      'Present = TLS 1.3. File names are relative to the configuration file; changed files are used for new connections.',
  },
)
const mac = Type.Enum(['off', 'required'], {
  default: 'off',
  description:
    'Whether messages carry a MAC (DE64, DE128) under the key mak:<link>; required = any other is answered 63. Not for visa-base1.',
})

interface ListenerDefaults {
  readonly port: number
  readonly dialect: string
  readonly framing: 'len2' | 'ascii4' | 'visa'
  readonly maxFrameBytes: number
  readonly tpdu: boolean
}

/** Schema of a listener with its own defaults. */
export function listener(name: string, defaults: ListenerDefaults) {
  return Type.Object(
    {
      enabled: Type.Boolean({ default: true, description: 'Whether the switch listens here.' }),
      host,
      port: port(defaults.port),
      dialect: Type.String({
        ...dialectName,
        default: defaults.dialect,
        description: 'Dialect table of schemas/iso8583.',
      }),
      framing: framing(defaults.framing),
      maxFrameBytes: Type.Integer({
        minimum: 64,
        maximum: 65_535,
        default: defaults.maxFrameBytes,
        description: 'A longer frame closes the link.',
      }),
      tpdu: Type.Boolean({ default: defaults.tpdu, description: 'Whether a 5-byte TPDU precedes each message.' }),
      stationId: Type.String({
        pattern: '^[0-9]{6}$',
        default: '000000',
        description: 'Our station in the 22-byte Visa header; used with framing visa.',
      }),
      requireSignOn: Type.Boolean({ default: false, description: 'Answer 91 to all but 0800 before sign-on.' }),
      announceSignOff: Type.Boolean({
        default: false,
        description: 'Send 0800 with DE70 002 on signed-on links before they are closed by an orderly stop.',
      }),
      mac,
      maxConnections: Type.Integer({ minimum: 1, maximum: 65_535, default: 256, description: 'Links open at once.' }),
      maxInFlight: Type.Integer({
        minimum: 1,
        maximum: 65_536,
        default: 4_096,
        description:
          'Requests of one link that wait for their answer; from three quarters on new ones are answered 91, beyond it reading pauses.',
      }),
      idleTimeoutMs: Type.Integer({
        minimum: 0,
        maximum: 86_400_000,
        default: 0,
        description: 'Close a link that is silent for this many milliseconds; 0 = never.',
      }),
      maxOutboundBytes: Type.Integer({
        minimum: 4_096,
        maximum: 1_073_741_824,
        default: 1_048_576,
        description: 'Close a link whose peer leaves this many bytes unread.',
      }),
      tls: Type.Optional(tls),
    },
    { ...group, description: `Listener ${name}.` },
  )
}

/** Schema of a link that the switch opens. */
export const outboundLink = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z0-9][a-z0-9-]*$', maxLength: 32, description: 'Name in logs and metrics.' }),
    host: Type.String({ minLength: 1, description: 'Address of the peer.' }),
    port: Type.Integer({ minimum: 1, maximum: 65_535, description: 'TCP port of the peer.' }),
    dialect: Type.String({ ...dialectName, description: 'Dialect table of schemas/iso8583.' }),
    framing: framing('len2'),
    maxFrameBytes: Type.Integer({
      minimum: 64,
      maximum: 65_535,
      default: 4_096,
      description: 'A longer frame closes the link.',
    }),
    tpdu: Type.Boolean({ default: false, description: 'Whether a 5-byte TPDU precedes each message.' }),
    signOn: Type.Boolean({ default: true, description: 'Send 0800 sign-on after connecting.' }),
    mac,
    echoIntervalMs: Type.Integer({
      minimum: 0,
      maximum: 3_600_000,
      default: 60_000,
      description: 'Milliseconds of silence before an echo test; 0 = none.',
    }),
    timeoutMs: Type.Integer({
      minimum: 100,
      maximum: 120_000,
      default: 10_000,
      description: 'Longest wait for an answer, in milliseconds.',
    }),
    backoff: Type.Object(
      {
        minMs: Type.Integer({
          minimum: 10,
          maximum: 600_000,
          default: 500,
          description: 'First pause, in milliseconds.',
        }),
        maxMs: Type.Integer({
          minimum: 10,
          maximum: 600_000,
          default: 30_000,
          description: 'Longest pause, in milliseconds.',
        }),
      },
      { ...group, description: 'Pauses between attempts to connect; each is twice the one before.' },
    ),
    tls: Type.Optional(tls),
  },
  { ...closed, description: 'A link that the switch opens.' },
)

export type ListenerConfig = Static<ReturnType<typeof listener>>
export type OutboundConfig = Static<typeof outboundLink>
export type TlsConfig = Static<typeof tls>
