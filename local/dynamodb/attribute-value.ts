/** DynamoDB's attribute values as they go over the wire. */

/** Exactly one member is present. */
export interface AttributeValue {
  S?: string;
  N?: string;
  B?: string;
  BOOL?: boolean;
  NULL?: boolean;
  SS?: string[];
  NS?: string[];
  BS?: string[];
  L?: AttributeValue[];
  M?: Item;
}
export interface Item {
  [attribute: string]: AttributeValue;
}
export type ValueType = keyof AttributeValue;
