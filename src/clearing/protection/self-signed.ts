import { createPublicKey, generateKeyPair, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import forge from 'node-forge'
import { serialNumber } from '../../security/certificate-serial.ts'
import { type Certificate, type KeyPurpose, readCertificate } from './certificate.ts'

/** What a certificate of ours says. */
export interface CertificateRequest {
  /** Common name, such as `Unified Card clearing`. */
  readonly name: string
  readonly organization: string
  readonly purpose: KeyPurpose
  readonly validFromMs: number
  readonly validToMs: number
}

/** A new RSA key, made off the main thread. @param bits 2048 or more */
export async function makeRsaKey(bits: number): Promise<KeyObject> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: bits })
  return privateKey
}

/**
 * Signs a key's own certificate (X.509 version 3 by RFC 5280, RSA with SHA-256): partners pin it by its fingerprint, so
 * that no authority needs to stand behind it.
 */
export function selfSigned(privateKey: KeyObject, request: CertificateRequest): Certificate {
  const certificate = forge.pki.createCertificate()
  const publicPem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }) as string
  certificate.publicKey = forge.pki.publicKeyFromPem(publicPem)
  certificate.serialNumber = serialNumber()
  certificate.validity.notBefore = new Date(request.validFromMs)
  certificate.validity.notAfter = new Date(request.validToMs)
  const subject = [
    { name: 'commonName', value: request.name },
    { name: 'organizationName', value: request.organization },
  ]
  certificate.setSubject(subject)
  certificate.setIssuer(subject)
  const usage = request.purpose === 'sign' ? { digitalSignature: true } : { keyEncipherment: true }
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', ...usage, critical: true },
    { name: 'subjectKeyIdentifier' },
  ])
  // By node:crypto: the key never becomes one of the pure JavaScript library.
  const key = {
    sign() {
      const body = forge.asn1.toDer(certificate.tbsCertificate).getBytes()
      return sign('sha256', Buffer.from(body, 'latin1'), privateKey).toString('latin1')
    },
  }
  certificate.sign(key as unknown as forge.pki.rsa.PrivateKey, forge.md.sha256.create())
  return readCertificate(forge.pki.certificateToPem(certificate))
}
