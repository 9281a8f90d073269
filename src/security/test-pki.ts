import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import forge from 'node-forge'
import { DAY_MS } from '../time-units.ts'
import { serialNumber } from './certificate-serial.ts'

/** A certificate and its key, PEM. */
export interface TestCertificate {
  /** Common name, and the name of its files. */
  readonly name: string
  readonly certPem: string
  /** PKCS #8, not encrypted. */
  readonly keyPem: string
  /** SHA-256 of the certificate, 64 lower-case hex digits. */
  readonly fingerprint: string
}

/** Certificates for trying mutual authentication out; nothing about them is fit for production. */
export interface TestPki {
  readonly authority: TestCertificate
  /** For localhost and 127.0.0.1. */
  readonly server: TestCertificate
  readonly clients: readonly TestCertificate[]
}

export interface TestPkiOptions {
  /** Milliseconds since 1970 UTC. */
  readonly nowMs: number
  /** Days from now for which the certificates are good. @default 365 */
  readonly days?: number
  /** Common names of the client certificates. @default ['acquirer-1', 'acquirer-2'] */
  readonly clients?: readonly string[]
}

/** Clocks of two machines may differ. */
const SKEW_MS = 3_600_000
const RSA_BITS = 2_048
const ORGANIZATION = 'Mizan test certificates, not for production'

interface Issuer {
  readonly certificate: forge.pki.Certificate
  readonly key: forge.pki.rsa.PrivateKey
}

/**
 * Makes a test authority with certificates for a server and for clients (X.509 version 3 by RFC 5280, RSA with
 * SHA-256). The keys come from node:crypto: node-forge takes seconds for each.
 */
export function makeTestPki({ nowMs, days = 365, clients = ['acquirer-1', 'acquirer-2'] }: TestPkiOptions): TestPki {
  const validity = { notBefore: new Date(nowMs - SKEW_MS), notAfter: new Date(nowMs + days * DAY_MS) }
  const { issued: authority, issuer } = makeAuthority(validity)
  const subjectAltName = {
    name: 'subjectAltName',
    altNames: [
      { type: 2, value: 'localhost' },
      { type: 7, ip: '127.0.0.1' },
    ],
  }
  const server = issue('server', issuer, validity, [{ name: 'extKeyUsage', serverAuth: true }, subjectAltName])
  return {
    authority,
    server: server.issued,
    clients: clients.map((name) => issue(name, issuer, validity, [{ name: 'extKeyUsage', clientAuth: true }]).issued),
  }
}

interface Validity {
  readonly notBefore: Date
  readonly notAfter: Date
}

interface Issued {
  readonly issued: TestCertificate
  readonly issuer: Issuer
}

function makeAuthority(validity: Validity): Issued {
  return issue('authority', undefined, validity, [
    { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
  ])
}

/** @param issuer undefined makes a self-signed one */
function issue(name: string, issuer: Issuer | undefined, validity: Validity, extensions: object[]): Issued {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: RSA_BITS,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey)
  certificate.serialNumber = serialNumber()
  certificate.validity.notBefore = validity.notBefore
  certificate.validity.notAfter = validity.notAfter
  certificate.setSubject([
    { name: 'commonName', value: name },
    { name: 'organizationName', value: ORGANIZATION },
  ])
  const own: Issuer = { certificate, key: forge.pki.privateKeyFromPem(privateKey) as forge.pki.rsa.PrivateKey }
  const signer = issuer ?? own
  certificate.setIssuer(signer.certificate.subject.attributes)
  const usage = { name: 'keyUsage', digitalSignature: true, critical: true }
  const leaf = issuer === undefined ? [] : [{ name: 'basicConstraints', cA: false, critical: true }, usage]
  const keyIdentifier = signer.certificate.generateSubjectKeyIdentifier().getBytes()
  certificate.setExtensions([
    ...leaf,
    ...extensions,
    { name: 'subjectKeyIdentifier' },
    { name: 'authorityKeyIdentifier', keyIdentifier },
  ])
  certificate.sign(signer.key, forge.md.sha256.create())
  const certPem = forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n')
  const fingerprint = new X509Certificate(certPem).fingerprint256.replaceAll(':', '').toLowerCase()
  return { issued: { name, certPem, keyPem: privateKey, fingerprint }, issuer: own }
}
