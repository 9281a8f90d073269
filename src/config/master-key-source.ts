import path from 'node:path'
import type { MasterKeySource } from '../security/master-key.ts'
import type { Config } from './config.ts'

/** Where the configuration says that the master key is. Outside production one is generated in the data folder. */
export function masterKeySource(config: Pick<Config, 'environment' | 'varDir' | 'security'>): MasterKeySource {
  const { masterKey, masterKeyFile, pkcs11 } = config.security
  return {
    hex: masterKey,
    pkcs11,
    file: masterKeyFile,
    generateAt: config.environment === 'production' ? undefined : path.join(config.varDir, 'keys', 'master.key'),
  }
}
