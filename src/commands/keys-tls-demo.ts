import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Command } from 'commander'
import { loadConfig } from '../config/config.ts'
import { MizanError } from '../errors.ts'
import { makeTestPki, type TestCertificate, type TestPki } from '../security/test-pki.ts'

interface TlsDemoOptions {
  readonly out?: string
  readonly force?: boolean
  readonly json?: boolean
}

/** A file that the command writes. */
interface DemoFile {
  readonly file: string
  readonly text: string
  readonly mode: number
}

const KEY_MODE = 0o600
const CERTIFICATE_MODE = 0o644
const FOLDER_MODE = 0o700

/** `mizan keys tls-demo`: writes certificates for trying TLS with mutual authentication out. */
export function keysTlsDemoCommand(): Command {
  return new Command('tls-demo')
    .description('make an authority, a server certificate and two client certificates for tests')
    .option('--out <folder>', 'where to write them (default: tls-demo in the data folder)')
    .option('--force', 'replace files that are there')
    .option('--json', 'print one JSON object')
    .action(runTlsDemo)
}

/** @throws MizanError DEMO_REFUSED in production, BAD_INPUT when a file would be replaced */
function runTlsDemo(options: TlsDemoOptions): void {
  const config = loadConfig({ env: process.env })
  if (config.environment === 'production') throw new MizanError('DEMO_REFUSED', 'these certificates are for tests')
  const folder = path.resolve(options.out ?? path.join(config.varDir, 'tls-demo'))
  const pki = makeTestPki({ nowMs: Date.now() })
  const certificates = [pki.authority, pki.server, ...pki.clients]
  write(
    folder,
    certificates.flatMap((certificate) => filesOf(folder, certificate)),
    options.force === true,
  )
  if (options.json === true) process.stdout.write(`${JSON.stringify(described(folder, pki))}\n`)
  else process.stdout.write(inWords(folder, pki))
}

function write(folder: string, files: readonly DemoFile[], isForced: boolean): void {
  const there = files.filter(({ file }) => existsSync(file))
  if (there.length > 0 && !isForced) {
    throw new MizanError('BAD_INPUT', `${there[0]?.file} is there already; --force replaces it`)
  }
  mkdirSync(folder, { recursive: true, mode: FOLDER_MODE })
  for (const { file, text, mode } of files) {
    // A file that is replaced would keep its mode, which may let others read the key.
    rmSync(file, { force: true })
    writeFileSync(file, text, { mode, flag: 'wx' })
  }
}

function filesOf(folder: string, { name, certPem, keyPem }: TestCertificate): DemoFile[] {
  return [
    { file: keyFile(folder, name), text: keyPem, mode: KEY_MODE },
    { file: certFile(folder, name), text: certPem, mode: CERTIFICATE_MODE },
  ]
}

function keyFile(folder: string, name: string): string {
  return path.join(folder, `${name}.key.pem`)
}

function certFile(folder: string, name: string): string {
  return path.join(folder, `${name}.cert.pem`)
}

function described(folder: string, pki: TestPki): Record<string, unknown> {
  const files = ({ name, fingerprint }: TestCertificate) => ({
    keyFile: keyFile(folder, name),
    certFile: certFile(folder, name),
    fingerprint,
  })
  return {
    folder,
    authority: files(pki.authority),
    server: files(pki.server),
    clients: pki.clients.map((client) => ({ name: client.name, ...files(client) })),
    config: snippet(folder, pki),
  }
}

/** What a configuration file needs for a listener that takes exactly these clients. */
function snippet(folder: string, pki: TestPki): Record<string, unknown> {
  const tls = {
    keyFile: keyFile(folder, pki.server.name),
    certFile: certFile(folder, pki.server.name),
    caFile: certFile(folder, pki.authority.name),
    requireClientCertificate: true,
    pinnedFingerprints: pki.clients.map(({ fingerprint }) => fingerprint),
  }
  return { listeners: { ascii: { tls } } }
}

function inWords(folder: string, pki: TestPki): string {
  const row = ({ name, fingerprint }: TestCertificate) => `  ${name.padEnd(12)} ${fingerprint}\n`
  const [client] = pki.clients
  return (
    `test certificates in ${folder}; not for production\n\n` +
    `  certificate  SHA-256 fingerprint\n${[pki.authority, pki.server, ...pki.clients].map(row).join('')}\n` +
    `a listener that takes these clients and no others:\n\n${JSON.stringify(snippet(folder, pki), null, 2)}\n\n` +
    `a client of it uses ${keyFile(folder, client?.name ?? '')}, ${certFile(folder, client?.name ?? '')}\n` +
    `and trusts ${certFile(folder, pki.authority.name)}\n`
  )
}
