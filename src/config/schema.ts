import { type Static, Type } from 'typebox'
import { accountHost } from './account-host-schema.ts'
import { availability } from './availability-schema.ts'
import { backup } from './backup-schema.ts'
import { businessDay } from './business-day-schema.ts'
import { clearing } from './clearing-schema.ts'
import { forwarding } from './forwarding-schema.ts'
import { lanes, limits } from './lane-schema.ts'
import { closed, group, host, listener, outboundLink, port } from './link-schema.ts'
import { jobs, notifications } from './notification-schema.ts'
import { security, verification } from './security-schema.ts'
import { shutdown } from './shutdown-schema.ts'

/**
 * The configuration file. Every property has a default unless it is optional, so that `{}` is a valid file.
 * `schemas/config.schema.json` and the tables of docs/configuration.md are generated from here.
 */

const database = Type.Object(
  {
    url: Type.Optional(
      Type.String({
        pattern: '^postgres(ql)?://',
        description:
          'PostgreSQL 15 to 18; absent = the embedded server. Several hosts, separated by commas: the one that can be written. Environment: DATABASE_URL.',
      }),
    ),
    embedded: Type.Object(
      {
        port: Type.Integer({
          minimum: 0,
          maximum: 65_535,
          default: 0,
          description: 'TCP port on 127.0.0.1; 0 = that of the last run if it is free, else any free port.',
        }),
        sharedBuffersMb: Type.Optional(
          Type.Integer({
            minimum: 16,
            maximum: 65_536,
            description: "Page cache in MiB; absent = a twelfth of the machine's memory, 128 to 4,096.",
          }),
        ),
        maxWalSizeMb: Type.Integer({
          minimum: 128,
          maximum: 65_536,
          default: 4_096,
          description: 'Journal between two checkpoints in MiB.',
        }),
      },
      { ...group, description: 'The embedded server.' },
    ),
    statementTimeoutMs: Type.Integer({
      minimum: 100,
      maximum: 3_600_000,
      default: 10_000,
      description:
        'Longest run of one statement, in milliseconds. A second later a connection that says nothing is given up: that is how long a database host that vanishes without a word is waited for.',
    }),
  },
  { ...group, description: 'Where the ledger is kept.' },
)

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** Schema of the configuration file. */
export const configFileSchema = Type.Object(
  {
    $schema: Type.Optional(Type.String({ description: 'For editors; ignored.' })),
    environment: Type.Enum(['development', 'test', 'production'], {
      default: 'development',
      description: 'production refuses demo data and keys. Environment: MIZAN_ENV.',
    }),
    varDir: Type.String({
      minLength: 1,
      default: 'var',
      description:
        'Data folder, relative to the configuration file. Environment: MIZAN_VAR, relative to the working folder.',
    }),
    database,
    listeners: Type.Object(
      {
        ascii: listener('ascii. Environment: MIZAN_PORT_ASCII', {
          port: 8_583,
          dialect: 'iso87-ascii',
          framing: 'len2',
          maxFrameBytes: 4_096,
          tpdu: false,
        }),
        visa: listener('visa. Environment: MIZAN_PORT_VISA', {
          port: 8_584,
          dialect: 'visa-base1',
          framing: 'visa',
          maxFrameBytes: 2_048,
          tpdu: false,
        }),
        bcd: listener('bcd. Environment: MIZAN_PORT_BCD', {
          port: 8_585,
          dialect: 'iso87-bcd',
          framing: 'len2',
          maxFrameBytes: 4_096,
          tpdu: true,
        }),
      },
      { ...group, description: 'Where acquirers connect.' },
    ),
    http: Type.Object(
      {
        host,
        port: port(8_080),
        trustedProxies: Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
          default: [],
          maxItems: 16,
          description: 'Addresses or networks of reverse proxies whose X-Forwarded-For says who calls.',
        }),
        sessionIdleMinutes: Type.Integer({
          minimum: 1,
          maximum: 1_440,
          default: 30,
          description: 'Minutes without a request after which somebody has to log in again.',
        }),
        sessionHours: Type.Integer({
          minimum: 1,
          maximum: 168,
          default: 12,
          description: 'Hours after which somebody has to log in again, however busy.',
        }),
      },
      { ...group, description: 'HTTP API, metrics and health. Environment: MIZAN_PORT_HTTP.' },
    ),
    outbound: Type.Array(outboundLink, { default: [], maxItems: 256, description: 'Links that the switch opens.' }),
    accountHost: Type.Optional(accountHost),
    lanes,
    availability,
    shutdown,
    businessDay,
    clearing,
    limits,
    demo: Type.Object(
      {
        enabled: Type.Optional(
          Type.Boolean({
            description:
              'Whether an empty database gets the demo world. Absent = yes without a configuration file outside production.',
          }),
        ),
        seed: Type.Integer({ minimum: 0, maximum: 4_294_967_295, default: 1, description: 'Seed of the demo world.' }),
        households: Type.Integer({
          minimum: 1,
          maximum: 10_000_000,
          default: 1_000,
          description: 'Households of the demo world.',
        }),
        remoteEvery: Type.Integer({
          minimum: 0,
          maximum: 10_000_000,
          default: 0,
          description: 'One household in so many has its account at the account host; 0 = none. Needs accountHost.',
        }),
      },
      { ...group, description: 'The demo world.' },
    ),
    security,
    verification,
    forwarding,
    jobs,
    notifications,
    backup,
    log: Type.Object(
      {
        level: Type.Enum([...logLevels], {
          default: 'info',
          description: 'Least level logged. Environment: MIZAN_LOG_LEVEL.',
        }),
        pretty: Type.Boolean({ default: false, description: 'Lines for people instead of JSON.' }),
      },
      { ...group, description: 'Logs go to stderr.' },
    ),
  },
  { ...closed, title: 'Configuration of mizan' },
)

/** A configuration file after its defaults were filled in. */
export type ConfigFile = Static<typeof configFileSchema>
