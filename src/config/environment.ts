import { nearest } from '../suggestion.ts'

/** What the environment says, as text; empty variables count as absent. Nothing is checked here. */
export interface RawEnvironment {
  readonly environment?: string
  readonly varDir?: string
  readonly databaseUrl?: string
  readonly portAscii?: string
  readonly portVisa?: string
  readonly portBcd?: string
  readonly portHttp?: string
  readonly masterKey?: string
  readonly pkcs11Pin?: string
  readonly logLevel?: string
  /** Variables that look like a misspelt one of ours, with what was probably meant. */
  readonly misspelt: readonly { readonly name: string; readonly meant: string }[]
}

/** The variables that are read, with the property each sets. */
export const environmentVariables = {
  MIZAN_ENV: 'environment',
  MIZAN_VAR: 'varDir',
  DATABASE_URL: 'databaseUrl',
  MIZAN_PORT_ASCII: 'portAscii',
  MIZAN_PORT_VISA: 'portVisa',
  MIZAN_PORT_BCD: 'portBcd',
  MIZAN_PORT_HTTP: 'portHttp',
  MIZAN_MASTER_KEY: 'masterKey',
  MIZAN_PKCS11_PIN: 'pkcs11Pin',
  MIZAN_LOG_LEVEL: 'logLevel',
} as const satisfies Record<string, Exclude<keyof RawEnvironment, 'misspelt'>>

/**
 * Picks the variables of the program out of an environment.
 * @param env usually `process.env`; only read
 */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): RawEnvironment {
  const raw: Record<string, string> = {}
  for (const [name, property] of Object.entries(environmentVariables)) {
    const value = env[name]
    if (value !== undefined && value !== '') raw[property] = value
  }
  const known = Object.keys(environmentVariables)
  const misspelt: { name: string; meant: string }[] = []
  for (const name of Object.keys(env)) {
    // Other programs may use the prefix too: only a near miss is taken for ours.
    if (!name.startsWith('MIZAN_') || known.includes(name)) continue
    const meant = nearest(name, known)
    if (meant !== undefined) misspelt.push({ name, meant })
  }
  return { ...raw, misspelt }
}
