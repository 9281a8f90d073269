import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync, type Stats, statSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { describeError, MizanError } from '../errors.ts'
import { readSecretFile } from '../security/secret-file.ts'
import { systemTiming, type Timer } from '../timing.ts'

/** Key, certificate with its chain, and the authorities of peers; PEM. */
export interface TlsCredentials {
  readonly key: string | Buffer
  readonly cert: string | Buffer
  readonly ca?: string | Buffer
}

/** Tells of new credentials; whoever subscribes closes it when it needs no more. */
export interface TlsReloads {
  subscribe(listener: (credentials: TlsCredentials) => void): void
  close(): void
}

/** Where the credentials of a link are. */
export interface TlsFileNames {
  readonly keyFile: string
  readonly certFile: string
  readonly caFile?: string | undefined
}

/** What is said of a link's own certificate. Nothing here is secret. */
export interface OwnCertificate {
  /** SHA-256 of the whole certificate, as in `pinnedFingerprints`: 64 lower-case hex digits. */
  readonly fingerprint: string
  /** Milliseconds since 1970 UTC. */
  readonly notAfterMs: number
}

/** What happens to the credentials of a link, by its name. */
export interface TlsObserver {
  /** At the start, and after each reload. */
  loaded?(link: string, certificate: OwnCertificate, isReload: boolean): void
  /** New files are not used; the old ones stay in force. */
  reloadFailed?(link: string, reason: string): void
  /** The certificate ends within 30 days, or has ended; said once a day. */
  expiring?(link: string, certificate: OwnCertificate, daysLeft: number): void
}

export interface TlsFilesOptions {
  readonly observer?: TlsObserver
  readonly now: () => number
  /** How often to look for changes. @default 5000 */
  readonly pollMs?: number
}

const POLL_MS = 5_000
const DAY_MS = 86_400_000
const WARNING_DAYS = 30

/**
 * The credentials of one link, read again when their files change. Changes are found by looking at the files (they may
 * be replaced, or be links that now lead elsewhere), and taken when the files have not changed between two looks: key
 * and certificate are seldom replaced in one instant.
 */
export class TlsFiles implements TlsReloads {
  readonly #link: string
  readonly #names: TlsFileNames
  readonly #options: TlsFilesOptions
  readonly #timer: Timer
  readonly #listeners: ((credentials: TlsCredentials) => void)[] = []
  #current: TlsCredentials
  #certificate: OwnCertificate
  /** State of the files that was last read, and that was last seen. */
  #read: string
  #seen: string
  #isLooking = false
  #isClosed = false
  #warnedDay = Number.NaN

  /** @throws MizanError CONFIG_INVALID naming the file, and what is wrong with it */
  constructor(link: string, names: TlsFileNames, options: TlsFilesOptions) {
    this.#link = link
    this.#names = names
    this.#options = options
    // Before they are read: a change in between is then found at the next look.
    this.#read = fileNames(names)
      .map((name) => stateOf(statSync(name, { throwIfNoEntry: false })))
      .join()
    this.#seen = this.#read
    const { credentials, certificate } = readCredentials(names)
    this.#current = credentials
    this.#certificate = certificate
    options.observer?.loaded?.(link, certificate, false)
    this.#warn()
    this.#timer = systemTiming.every(options.pollMs ?? POLL_MS, () => void this.#look())
  }

  get current(): TlsCredentials {
    return this.#current
  }

  subscribe(listener: (credentials: TlsCredentials) => void): void {
    this.#listeners.push(listener)
  }

  close(): void {
    this.#isClosed = true
    systemTiming.cancel(this.#timer)
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    const before = this.#seen
    const found = await Promise.all(fileNames(this.#names).map((name) => stat(name).catch(() => undefined)))
    this.#seen = found.map(stateOf).join()
    this.#isLooking = false
    if (this.#isClosed) return
    if (this.#seen !== this.#read && this.#seen === before) this.#reload()
    this.#warn()
  }

  #reload(): void {
    const { observer, now } = this.#options
    // Read or not: files that are no good are tried again when they change.
    this.#read = this.#seen
    try {
      const { credentials, certificate } = readCredentials(this.#names)
      if (certificate.notAfterMs <= now()) {
        throw new MizanError('CONFIG_INVALID', `${this.#names.certFile}: the certificate has ended`)
      }
      for (const listener of this.#listeners) listener(credentials)
      this.#current = credentials
      this.#certificate = certificate
      this.#warnedDay = Number.NaN
      observer?.loaded?.(this.#link, certificate, true)
    } catch (error) {
      observer?.reloadFailed?.(this.#link, describeError(error))
    }
  }

  #warn(): void {
    const nowMs = this.#options.now()
    const daysLeft = Math.floor((this.#certificate.notAfterMs - nowMs) / DAY_MS)
    const today = Math.floor(nowMs / DAY_MS)
    if (daysLeft > WARNING_DAYS || today === this.#warnedDay) return
    this.#warnedDay = today
    this.#options.observer?.expiring?.(this.#link, this.#certificate, daysLeft)
  }
}

function fileNames({ keyFile, certFile, caFile }: TlsFileNames): string[] {
  return caFile === undefined ? [keyFile, certFile] : [keyFile, certFile, caFile]
}

/** What changes when a file is written, replaced or closed to others; that it is not there is a state too. */
function stateOf(file: Stats | undefined): string {
  return file === undefined ? 'absent' : `${file.ino}:${file.mtimeMs}:${file.size}:${file.mode}`
}

/**
 * Reads the files and checks that they belong together, since OpenSSL says of a wrong one only that it is wrong.
 * @throws MizanError CONFIG_INVALID naming the file, and what is wrong with it
 */
function readCredentials(names: TlsFileNames): { credentials: TlsCredentials; certificate: OwnCertificate } {
  const { keyFile, certFile, caFile } = names
  const key = `${readSecretFile(keyFile, 'the private key of a link')}\n`
  const [cert, ca] = [readPem(certFile), caFile === undefined ? undefined : readPem(caFile)]
  const privateKey = parsed(keyFile, 'a private key without a passphrase', () => createPrivateKey(key))
  const certificate = certificatesIn(certFile, cert)[0] as X509Certificate
  if (!belongsTo(certificate, privateKey)) {
    throw new MizanError('CONFIG_INVALID', `${keyFile} is not the key of the certificate in ${certFile}`)
  }
  if (caFile !== undefined && ca !== undefined) certificatesIn(caFile, ca)
  return {
    credentials: { key, cert, ...(ca === undefined ? {} : { ca }) },
    certificate: {
      fingerprint: normalFingerprint(certificate.fingerprint256),
      notAfterMs: certificate.validToDate.getTime(),
    },
  }
}

function belongsTo(certificate: X509Certificate, key: KeyObject): boolean {
  try {
    return certificate.checkPrivateKey(key)
  } catch {
    return false
  }
}

function readPem(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new MizanError('CONFIG_INVALID', `${file} cannot be read: ${describeError(error)}`, { cause: error })
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

function certificatesIn(file: string, pem: Buffer): X509Certificate[] {
  const blocks = pem.toString('latin1').match(CERTIFICATE)
  if (blocks === null) throw new MizanError('CONFIG_INVALID', `${file} does not hold a certificate in PEM`)
  return blocks.map((block) => parsed(file, 'a certificate in PEM', () => new X509Certificate(block)))
}

/** OpenSSL's own words name its functions and no file, and may quote what it read. */
function parsed<T>(file: string, what: string, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    throw new MizanError('CONFIG_INVALID', `${file} does not hold ${what}`, { cause })
  }
}

/** A SHA-256 fingerprint as 64 lower-case hex digits, from any usual way to write one. */
export function normalFingerprint(text: string): string {
  return text.replaceAll(':', '').toLowerCase()
}
