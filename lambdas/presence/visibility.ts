/**
 * [PRS3] Who sees when a user was last connected. Who hides it from somebody does not see that of the other, so it
 * is always shared by two, or not at all.
 */
import type { Privacy } from "../../protocol/frames.ts";

export interface VisibilityDependencies {
  readonly privacyOf: (userIds: readonly string[]) => Promise<(userId: string) => Privacy>;
  /** Those of the others with whom the user has a direct chat. */
  readonly contactsAmong: (userId: string, others: readonly string[]) => Promise<ReadonlySet<string>>;
}

/** Those of the others with whom the user shares when they were last connected. */
export async function lastSeenSharedWith(
  { privacyOf, contactsAmong }: VisibilityDependencies,
  userId: string,
  others: readonly string[],
): Promise<ReadonlySet<string>> {
  if (others.length === 0) return new Set();
  const privacy = await privacyOf([userId, ...others]);
  const own = privacy(userId).lastSeen;
  const shares = (other: string): "yes" | "no" | "contacts" => {
    if (other === userId) return "yes";
    const both = [own, privacy(other).lastSeen];
    return both.includes("nobody") ? "no" : both.includes("contacts") ? "contacts" : "yes";
  };
  const asked = others.filter((other) => shares(other) === "contacts");
  const contacts = asked.length > 0 ? await contactsAmong(userId, asked) : new Set<string>();
  return new Set(others.filter((other) => shares(other) === "yes" || contacts.has(other)));
}
