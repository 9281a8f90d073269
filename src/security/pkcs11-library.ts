import { describeError, MizanError } from '../errors.ts'

/** An attribute to find objects by. */
export interface Pkcs11Attribute {
  readonly type: number
  readonly value: number | boolean | string | Buffer
}

/** The functions of a PKCS#11 module that are used here, as the package `pkcs11js` offers them. Handles are buffers. */
export interface Pkcs11Library {
  C_Initialize(options: { flags: number }): void
  C_Finalize(): void
  C_GetSlotList(tokenPresent: boolean): Buffer[]
  C_GetTokenInfo(slot: Buffer): { readonly label: string }
  C_OpenSession(slot: Buffer, flags: number): Buffer
  C_CloseSession(session: Buffer): void
  C_Login(session: Buffer, user: number, pin: string): void
  C_FindObjectsInit(session: Buffer, template: readonly Pkcs11Attribute[]): void
  C_FindObjects(session: Buffer, countMax: number): Buffer[]
  C_FindObjectsFinal(session: Buffer): void
  C_GetAttributeValue(
    session: Buffer,
    object: Buffer,
    template: readonly { readonly type: number }[],
  ): { readonly type: number; readonly value: Buffer }[]
  C_SignInit(session: Buffer, mechanism: { mechanism: number }, key: Buffer): void
  C_Sign(session: Buffer, data: Buffer, output: Buffer): Buffer
}

interface Pkcs11Package {
  readonly PKCS11: new () => Pkcs11Library & { load(module: string): void }
}

/** Optional: it is compiled when it is installed, which not every machine can do, and few installations need it. */
const PACKAGE = 'pkcs11js'

/**
 * Loads the package `pkcs11js`, and by it the PKCS#11 module of a token.
 * @param module file name, absolute
 * @param packageName another package in its place, for tests
 * @throws MizanError CONFIG_INVALID when the package is not installed or the module cannot be loaded
 */
export async function loadPkcs11(module: string, packageName: string = PACKAGE): Promise<Pkcs11Library> {
  let loaded: { default: Pkcs11Package }
  try {
    loaded = await import(packageName)
  } catch (cause) {
    throw new MizanError(
      'CONFIG_INVALID',
      `a PKCS#11 token needs the package ${packageName}, which is not installed or was not compiled here: install ${packageName} (npm install needs a C++ compiler, make and Python for it)`,
      { cause },
    )
  }
  try {
    const library = new loaded.default.PKCS11()
    library.load(module)
    return library
  } catch (cause) {
    throw new MizanError('CONFIG_INVALID', `the PKCS#11 module cannot be loaded: ${describeError(cause)}`, { cause })
  }
}
