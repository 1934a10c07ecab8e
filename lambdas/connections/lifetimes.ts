/** How long what belongs to a device or a connection lasts. */

/**
 * [CON6] Days after which a device that was not seen is forgotten with all that belonged to it. WhatsApp and Signal
 * unlink devices after the same time; a phone that was off for longer fills itself anew, from the chat list.
 */
export const deviceForgottenAfterDays = 30;

/**
 * [CON6] Seconds for which a new device may be inside its first handshake, which has not yet counted the user's
 * devices. One whose handshake died there is forgotten after that. Longer than the function may run.
 */
export const enteringSec = 60;

/** Epoch second at which a device that was seen now is forgotten. */
export const forgottenAt = (nowMs: number): number =>
  Math.floor(nowMs / 1000) + deviceForgottenAfterDays * 86_400;
