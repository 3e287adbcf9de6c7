package main

import "fmt"

// remove deletes an object at once: nothing drains here.
func (s *apiServer) remove(resource, key string) {
	kind := s.kinds[resource]
	gone := copied(kind.objects[key])
	delete(kind.objects, key)
	s.version++
	metadata(gone)["resourceVersion"] = fmt.Sprint(s.version)
	s.publish(resource, "DELETED", gone)
	if s.written != nil {
		s.written(resource, gone, nil)
	}
	if s.collect != nil {
		s.collect(text(gone, "metadata", "uid"))
	}
}

// removeOwned deletes what an object owned that is gone.
func (s *apiServer) removeOwned(uid string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, other := range sortedKeys(s.kinds) {
		for _, owned := range sortedKeys(s.kinds[other].objects) {
			if ownedBy(s.kinds[other].objects[owned], uid) {
				s.remove(other, owned)
			}
		}
	}
}

func ownedBy(o object, uid string) bool {
	owners, _ := at(o, "metadata", "ownerReferences").([]any)
	for _, owner := range owners {
		if reference, ok := owner.(object); ok && reference["uid"] == uid {
			return true
		}
	}
	return false
}
