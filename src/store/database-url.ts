import { MizanError } from '../errors.ts'

/** Servers that a database URL names, in the order in which they are tried. */
export interface DatabaseServers {
  /** A URL of one server each. They hold the password. */
  readonly urls: readonly string[]
  /** Whether only a server that can be written will do; else the one server is taken as it is. */
  readonly mustBeWritable: boolean
}

const FORM = /^(postgres(?:ql)?:\/\/)(?:([^/?#]*)@)?([^/?#@]+)(\/[^?#]*)?(?:\?([^#]*))?$/
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[^[\]:]+)(?::\d{1,5})?$/
const HOSTS_MAX = 8
const MASKED = '********'
const ATTRIBUTE = 'target_session_attrs'

/**
 * Reads `postgresql://user:password@one:5432,two:5432/database?target_session_attrs=read-write`. Of several servers,
 * and with `read-write` or `primary`, only one that can be written will do; the parameter is kept from the server.
 * @throws MizanError CONFIG_INVALID; the message holds no secret
 */
export function databaseServers(text: string): DatabaseServers {
  const [, scheme = '', user, authority = '', path = '', query = ''] = FORM.exec(text) ?? []
  const hosts = authority.split(',')
  if (scheme === '' || hosts.some((host) => !HOST.test(host))) {
    throw invalid('must be postgresql://user:password@host:port/database; several hosts are separated by commas')
  }
  if (hosts.length > HOSTS_MAX) throw invalid(`names ${hosts.length} hosts; ${HOSTS_MAX} are the most`)
  const parameters = new URLSearchParams(query)
  const wanted = parameters.get(ATTRIBUTE)
  if (wanted !== null && !['any', 'read-write', 'primary'].includes(wanted)) {
    throw invalid(`${ATTRIBUTE} must be read-write, primary or any: the ledger is written`)
  }
  parameters.delete(ATTRIBUTE)
  const rest = parameters.size === 0 ? '' : `?${parameters}`
  const before = scheme + (user === undefined ? '' : `${user}@`)
  return {
    urls: hosts.map((host) => before + host + path + rest),
    mustBeWritable: hosts.length > 1 || wanted === 'read-write' || wanted === 'primary',
  }
}

/** Hosts and database of a URL, without user and password. */
export function whereabouts(text: string): string {
  const [, , , authority, path = ''] = FORM.exec(text) ?? []
  return authority === undefined ? 'DATABASE_URL is not a URL' : authority + path
}

/** The URL with its password masked, in either place where one may stand. */
export function maskDatabaseUrl(text: string): string {
  const [, scheme, user, authority, path = '', query = ''] = FORM.exec(text) ?? []
  if (scheme === undefined) return MASKED
  const parameters = new URLSearchParams(query)
  if (parameters.has('password')) parameters.set('password', MASKED)
  const who = user === undefined ? '' : `${user.replace(/:.*$/, `:${MASKED}`)}@`
  return scheme + who + authority + path + (parameters.size === 0 ? '' : `?${parameters}`)
}

function invalid(what: string): MizanError {
  return new MizanError('CONFIG_INVALID', `the database URL ${what}`)
}
