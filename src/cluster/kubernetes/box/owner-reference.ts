/** Makes an object go with the EdgeNode of this name and uid. */
export function ownerReference(name: string, uid: string) {
  return { apiVersion: 'tidegate.io/v1alpha1', kind: 'EdgeNode', name, uid };
}
