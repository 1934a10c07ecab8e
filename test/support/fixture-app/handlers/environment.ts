/** A variable that the template must set. */
export const variable = (name: string): string => {
  const value = process.env[name];
  if (value === undefined) throw new Error(`environment variable ${name} is not set`);
  return value;
};
