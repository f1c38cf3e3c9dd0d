/** What a device signature covers besides the key. */
export type SignedFields = {
  clientId: string;
  clientMode: string;
  role: string;
  scopes: readonly string[];
  /** `ts` and `nonce` of the challenge. */
  signedAt: number;
  nonce: string;
  /** The token that is sent along; never the password. */
  token: string;
  platform: string;
  /** Absent: none is sent. */
  deviceFamily?: string;
};

const toLowerAscii = (text: string): string => text.trim().replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());

/** The text that a device signs, version 3. */
export function toSignedText(deviceId: string, signed: SignedFields): string {
  const { clientId, clientMode, role, scopes, signedAt, token, nonce, platform, deviceFamily = "" } = signed;
  const machine = [toLowerAscii(platform), toLowerAscii(deviceFamily)];
  return ["v3", deviceId, clientId, clientMode, role, scopes.join(","), signedAt, token, nonce, ...machine].join("|");
}
