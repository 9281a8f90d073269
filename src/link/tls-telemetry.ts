import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { SECOND_MS } from '../time-units.ts'
import type { OwnCertificate, TlsObserver } from './tls-files.ts'

/** Makes what happens to the links' certificates a gauge and log lines. */
export function tlsTelemetry(metrics: Metrics, log: Logger): TlsObserver {
  const expiry = metrics.tlsCertificateExpiry
  return {
    loaded(link, certificate, isReload) {
      expiry.set({ link }, Math.floor(certificate.notAfterMs / SECOND_MS))
      if (isReload) certificateReloaded(log, { link, ...describe(certificate) })
    },
    reloadFailed: (link, reason) => certificateReloadFailed(log, { link, reason }),
    expiring: (link, certificate, daysLeft) => certificateExpiring(log, { link, daysLeft, ...describe(certificate) }),
  }
}

interface CertificateFields {
  readonly fingerprint: string
  readonly notAfter: string
}

function describe({ fingerprint, notAfterMs }: OwnCertificate): CertificateFields {
  return { fingerprint, notAfter: new Date(notAfterMs).toISOString() }
}

function certificateReloaded(log: Logger, fields: { link: string } & CertificateFields): void {
  log.info({ event: 'certificate_reloaded', ...fields }, 'new connections use the new certificate')
}

function certificateReloadFailed(log: Logger, fields: { link: string; reason: string }): void {
  log.error({ event: 'certificate_reload_failed', ...fields }, 'the new certificate files are not used')
}

function certificateExpiring(log: Logger, fields: { link: string; daysLeft: number } & CertificateFields): void {
  log.warn({ event: 'certificate_expiring', ...fields }, 'a certificate ends soon')
}
